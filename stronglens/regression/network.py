"""Networks that measure: a backbone, one number a label."""

import numpy as np

from stronglens.networks import build_backbone, head_seeds, visualised_layers
from stronglens.scaling import ImageScaling, LabelScaling, restore_labels
from stronglens.training import keras

DROPOUT_RATE = 0.35


def build_network(
    image_shape: tuple[int, int],
    image_scaling: ImageScaling,
    label_scaling: LabelScaling,
    seed: int = 0,
    kind: str = "report",
) -> keras.Model:
    """Build a network, untrained, between raw images and labels in their own units.

    The backbone (see `networks.build_backbone`), dropout of 0.35 and a dense linear layer. The ``report``'s network
    has 1,214,307 trainable parameters for images of 64 x 64 pixels and three labels.

    Parameters
    ----------
    image_shape : (H, W), pixels
    image_scaling, label_scaling
        As fitted on the training split; they add no parameters.
    seed : int
        Of the initial weights and of the dropout.
    kind : {"report", "resnet", "convnext"}

    Returns
    -------
    keras.Model
        Input (batch, H, W) float32, electrons/s; output (batch, L) float32, unit of each label.

    Raises
    ------
    RunError
        If the image is too small for the backbone.
    """
    of_dropout, of_labels, *_ = head_seeds(seed)
    image, x = build_backbone(kind, image_shape, image_scaling, seed)
    x = keras.layers.Dropout(DROPOUT_RATE, seed=of_dropout, name="dropout")(x)
    x = keras.layers.Dense(
        len(label_scaling.mean),
        kernel_initializer=keras.initializers.GlorotUniform(seed=of_labels),
        dtype="float32",
        name="standardised_labels",
    )(x)
    return keras.Model(image, restore_labels(x, label_scaling), name="regression")


def convolution_activations(network: keras.Model, image: np.ndarray) -> list[np.ndarray]:
    """Compute what three layers of the backbone see in one image (see `networks.visualised_layers`).

    Parameters
    ----------
    network : keras.Model
        As built here, or loaded.
    image : ndarray (H, W), electrons/s

    Returns
    -------
    list of 3 ndarray (h, w, filters) float32
        Of the report: (H, W, 32), (H/2, W/2, 64), (H/4, W/4, 128), after the tanh, before the pooling, so
        between -1 and 1; halves rounded down.
    """
    feature_extractor = keras.Model(network.inputs, [layer.output for layer in visualised_layers(network)])
    batch = np.asarray(image, dtype=np.float32)[np.newaxis]
    return [np.asarray(activation[0]) for activation in feature_extractor.predict(batch, verbose=0)]
