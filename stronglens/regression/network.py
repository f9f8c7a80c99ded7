"""Regression networks: a backbone and one output per label."""

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
    """Build an untrained network from raw images to labels in their units.

    It has a backbone (see `networks.build_backbone`), dropout of 0.35 and a dense linear layer. The ``report`` network
    has 1,214,307 trainable parameters for images of 64 x 64 pixels and three labels.

    Parameters
    ----------
    image_shape : (H, W), pixels
    image_scaling : ImageScaling
    label_scaling : LabelScaling
        Both are fitted on the training split and add no trainable parameters.
    seed : int
        Seed of the initial weights and of the dropout.
    kind : {"report", "resnet", "convnext"}
        Backbone.

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
    """Compute the activations of three layers of the backbone for one image (see `networks.visualised_layers`).

    Parameters
    ----------
    network : keras.Model
        A built or loaded network.
    image : ndarray (H, W), electrons/s

    Returns
    -------
    list of 3 ndarray (h, w, filters) float32
        For ``report``: (H, W, 32), (H/2, W/2, 64), (H/4, W/4, 128), sizes rounded down. They are taken after the tanh
        and before the pooling, so they lie between -1 and 1.
    """
    feature_extractor = keras.Model(network.inputs, [layer.output for layer in visualised_layers(network)])
    batch = np.asarray(image, dtype=np.float32)[np.newaxis]
    return [np.asarray(activation[0]) for activation in feature_extractor.predict(batch, verbose=0)]
