"""The network of the report: three convolutions, two dense layers, one number a label."""

import numpy as np

from stronglens.parameters import RunError
from stronglens.scaling import ImageScaling, LabelScaling, restore_labels, stretch_images
from stronglens.training import keras, spread_seed

SMALLEST_SIDE = 8  # pixels: three poolings by two must leave one
CONVOLUTIONS = ((32, 6), (64, 4), (128, 4))  # filters, kernel side in pixels
DENSE_UNITS = 128
DROPOUT_RATE = 0.35


def build_network(
    image_shape: tuple[int, int], image_scaling: ImageScaling, label_scaling: LabelScaling, seed: int = 0
) -> keras.Model:
    """Build the network, untrained, between raw images and labels in their own units.

    Three convolutions (same padding, stride 1, tanh), each followed by 2x2 max-pooling, a dense layer
    of 128 (ReLU), dropout of 0.35 and a dense linear layer: 1,214,307 trainable parameters for images
    of 64 x 64 pixels and three labels.

    Parameters
    ----------
    image_shape : (H, W), pixels
    image_scaling, label_scaling
        As fitted on the training split; they add no parameters.
    seed : int
        Of the initial weights and of the dropout.

    Returns
    -------
    keras.Model
        Input (batch, H, W) float32, electrons/s; output (batch, L) float32, unit of each label.

    Raises
    ------
    RunError
        If the image is too small for three poolings.
    """
    height, width = image_shape
    if min(height, width) < SMALLEST_SIDE:
        raise RunError(
            f"images of {height} x {width} pixels are too small for the network, which halves them three times: "
            f"simulate at least {SMALLEST_SIDE} x {SMALLEST_SIDE} (--grid-size)"
        )
    seeds = iter(spread_seed(seed, len(CONVOLUTIONS) + 3))
    image = keras.Input((height, width), dtype="float32", name="image")
    flow = stretch_images(image, image_scaling)
    flow = keras.layers.Reshape((height, width, 1), name="channel")(flow)
    for order, (filters, side) in enumerate(CONVOLUTIONS, start=1):
        flow = keras.layers.Conv2D(
            filters,
            side,
            padding="same",
            activation="tanh",
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            data_format="channels_last",
            name=f"convolution_{order}",
        )(flow)
        flow = keras.layers.MaxPooling2D(2, data_format="channels_last", name=f"pooling_{order}")(flow)
    flow = keras.layers.Flatten(data_format="channels_last", name="flat")(flow)
    flow = keras.layers.Dense(
        DENSE_UNITS,
        activation="relu",
        kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
        name="dense",
    )(flow)
    flow = keras.layers.Dropout(DROPOUT_RATE, seed=next(seeds), name="dropout")(flow)
    flow = keras.layers.Dense(
        len(label_scaling.mean),
        kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
        dtype="float32",
        name="standardised_labels",
    )(flow)
    return keras.Model(image, restore_labels(flow, label_scaling), name="regression")


def convolution_activations(network: keras.Model, image: np.ndarray) -> list[np.ndarray]:
    """Compute what the convolution layers see in one image.

    Parameters
    ----------
    network : keras.Model
        As built here, or loaded.
    image : ndarray (H, W), electrons/s

    Returns
    -------
    list of ndarray
        (H, W, 32), (H/2, W/2, 64), (H/4, W/4, 128) float32: after the tanh, before the pooling, so
        between -1 and 1; halves rounded down.
    """
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    eye = keras.Model(network.inputs, [layer.output for layer in layers])
    batch = np.asarray(image, dtype=np.float32)[np.newaxis]
    return [np.asarray(activation[0]) for activation in eye.predict(batch, verbose=0)]
