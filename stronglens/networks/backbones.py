"""Trunks of networks: raw images in, features out, for whatever head a task puts on them."""

from collections.abc import Iterator

from stronglens.parameters import RunError
from stronglens.scaling import ImageScaling, stretch_images
from stronglens.training import keras, spread_seed

REPORT_CONVOLUTIONS = ((32, 6), (64, 4), (128, 4))  # filters, kernel side in pixels
REPORT_UNITS = 128
REPORT_SEEDS = len(REPORT_CONVOLUTIONS) + 1
HEAD_SEEDS = 12  # kept for the layers of a head, behind those of the report's backbone

RESNET_STEM = (32, 5, 2)  # filters, kernel side and stride in pixels
RESNET_STAGES = ((32, 1), (64, 2), (128, 2))  # filters, blocks
RESNET_SEEDS = 3 * 5 + 3
CONVNEXT_PATCH = 4  # pixels along a side; depthwise convolutions are slow on a processor, on larger images most of all
CONVNEXT_STAGES = ((64, 2), (128, 2))  # filters, blocks
CONVNEXT_SEEDS = 3 * 4 + 4
KERNEL_SIDE = 7
WIDENING = 4
LAYER_SCALE = 0.1
GRID_FILTERS = 32  # of what is flattened: where things are, which a mean over the image would forget
UNITS = 256
SMALLEST_SIDE = 8  # pixels: three halvings must leave one


def build_backbone(kind: str, image_shape: tuple[int, int], image_scaling: ImageScaling, seed: int = 0):
    """Build the layers of a network that find features in raw images.

    All three halve the image three times, end with a dense layer (ReLU) on the flattened grid of what they
    found, so that positions are kept to a fraction of a pixel, and have no dropout.

    ``report``: three convolutions (same padding, stride 1, tanh), each followed by 2x2 max-pooling, and 128 features.

    ``resnet``: five residual blocks (He, Zhang, Ren & Sun 2016, CVPR) behind a convolution of 5x5, none with batch
    normalisation; 256 features.

    ``convnext``: blocks of Liu et al. (2022, CVPR) on patches of 4x4 pixels: 7x7 depthwise convolution, layer
    normalisation, a dense layer four times as wide (GELU) and back, scaled and added; 256 features.

    Parameters
    ----------
    kind : {"report", "resnet", "convnext"}
    image_shape : (H, W), pixels
    image_scaling
        As fitted on the training split; it adds no parameters.
    seed : int
        Of the initial weights; a head takes its own from `head_seeds`.

    Returns
    -------
    image : keras.KerasTensor (batch, H, W) float32, electrons/s
        The input.
    features : keras.KerasTensor (batch, F)

    Raises
    ------
    RunError
        If the image is too small for the halvings.
    """
    height, width = image_shape
    if min(height, width) < SMALLEST_SIDE:
        raise RunError(
            f"images of {height} x {width} pixels are too small for the network, which halves them three times: "
            f"simulate at least {SMALLEST_SIDE} x {SMALLEST_SIDE} (--grid-size)"
        )
    image = keras.Input((height, width), dtype="float32", name="image")
    x = stretch_images(image, image_scaling)
    x = keras.layers.Reshape((height, width, 1), name="channel")(x)
    if kind == "report":
        return image, _add_report(x, iter(spread_seed(seed, REPORT_SEEDS)))
    taken = REPORT_SEEDS + HEAD_SEEDS
    if kind == "resnet":
        return image, _add_resnet(x, iter(spread_seed(seed, taken + RESNET_SEEDS)[taken:]))
    return image, _add_convnext(x, iter(spread_seed(seed, taken + CONVNEXT_SEEDS)[taken:]))


def head_seeds(seed: int) -> list[int]:
    """Return seeds for the layers of a head, none of which its backbone takes.

    Returns
    -------
    list of 12 int
    """
    return spread_seed(seed, REPORT_SEEDS + HEAD_SEEDS)[REPORT_SEEDS:]


def visualised_layers(network: keras.Model) -> list[keras.layers.Layer]:
    """Return three layers of a network on a backbone of this room that show how it comes to see an image.

    Returns
    -------
    list of 3 keras.layers.Layer
        Each of output (batch, h, w, filters): the convolutions of the report; the stages of a residual
        network; the patches and the two stages of a ConvNeXt.
    """
    ends = {layer.name[: len("stage_1")]: layer for layer in network.layers if layer.name.startswith("stage_")}
    return list(ends.values()) or [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]


def _add_report(x, seeds: Iterator[int]):
    for order, (filters, side) in enumerate(REPORT_CONVOLUTIONS, start=1):
        x = keras.layers.Conv2D(
            filters,
            side,
            padding="same",
            activation="tanh",
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            data_format="channels_last",
            name=f"convolution_{order}",
        )(x)
        x = keras.layers.MaxPooling2D(2, data_format="channels_last", name=f"pooling_{order}")(x)
    x = keras.layers.Flatten(data_format="channels_last", name="flat")(x)
    return _add_dense(x, REPORT_UNITS, "relu", seeds, "dense")


def _add_resnet(x, seeds: Iterator[int]):
    x = _convolve(x, *RESNET_STEM, seeds, "stem", "relu")
    for stage, (filters, blocks) in enumerate(RESNET_STAGES, start=1):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            x = _add_residual(x, filters, stride, seeds, f"stage_{stage}_block_{block}")
    x = _convolve(x, GRID_FILTERS, 1, 1, seeds, "grid", "relu")
    x = keras.layers.Flatten(data_format="channels_last", name="flat")(x)
    return _add_dense(x, UNITS, "relu", seeds, "features")


def _add_residual(x, filters: int, stride: int, seeds: Iterator[int], name: str):
    branch = _convolve(x, filters, 3, stride, seeds, f"{name}_1", "relu")
    # Small at first, so that the blocks start close to the identity (Zhang, Dauphin & Ma 2019, ICLR).
    branch = _convolve(branch, filters, 3, 1, seeds, f"{name}_2", None, LAYER_SCALE**2)
    if branch.shape != x.shape:
        x = _convolve(x, filters, 1, stride, seeds, f"{name}_shortcut", None, 1.0)
    x = keras.layers.Add(name=f"{name}_sum")([x, branch])
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _convolve(x, filters: int, side: int, stride: int, seeds: Iterator[int], name: str, activation, scale=2.0):
    # He et al. (2015, ICCV). Without batch normalisation: how the other images of a batch change what is seen is
    # learned as noise, which is gone when the network is used, and its posteriors are too wide by as much.
    start = keras.initializers.VarianceScaling(scale, "fan_in", "truncated_normal", seed=next(seeds))
    return keras.layers.Conv2D(
        filters,
        side,
        stride,
        padding="same",
        activation=activation,
        kernel_initializer=start,
        data_format="channels_last",
        name=name,
    )(x)


def _add_convnext(x, seeds: Iterator[int]):
    for stage, (filters, blocks) in enumerate(CONVNEXT_STAGES, start=1):
        first = stage == 1
        name = "stage_0" if first else f"stage_{stage}"
        side = CONVNEXT_PATCH if first else 2
        if not first:
            x = _normalise(x, f"{name}_normalised")
        x = keras.layers.Conv2D(
            filters,
            side,
            side,
            padding="same",
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            data_format="channels_last",
            name=f"{name}_patches",
        )(x)
        if first:
            x = _normalise(x, f"{name}_normalised")
        for block in range(1, blocks + 1):
            x = _add_convnext_block(x, seeds, f"stage_{stage}_block_{block}")
    x = _normalise(x, "normalised")
    x = _add_dense(x, GRID_FILTERS, "gelu", seeds, "grid")
    x = keras.layers.Flatten(data_format="channels_last", name="flat")(x)
    return _add_dense(x, UNITS, "relu", seeds, "features")


def _add_convnext_block(x, seeds: Iterator[int], name: str):
    filters = x.shape[-1]
    branch = keras.layers.DepthwiseConv2D(
        KERNEL_SIDE,
        padding="same",
        depthwise_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
        data_format="channels_last",
        name=f"{name}_depthwise",
    )(x)
    branch = _normalise(branch, f"{name}_normalised")
    branch = _add_dense(branch, WIDENING * filters, "gelu", seeds, f"{name}_wide")
    # The paper multiplies what follows by a trained scale, at first 1e-6, a filter. Begun here, and larger as for
    # all networks of few layers (Touvron et al. 2021, ICCV), it is the same function, a sixth faster.
    start = keras.initializers.VarianceScaling(LAYER_SCALE**2, "fan_avg", "uniform", seed=next(seeds))
    branch = keras.layers.Dense(filters, kernel_initializer=start, name=f"{name}_narrow")(branch)
    return keras.layers.Add(name=f"{name}_sum")([x, branch])


def _normalise(x, name: str):
    return keras.layers.LayerNormalization(epsilon=1e-6, name=name)(x)


def _add_dense(x, units: int, activation: str | None, seeds: Iterator[int], name: str):
    start = keras.initializers.GlorotUniform(seed=next(seeds))
    return keras.layers.Dense(units, activation=activation, kernel_initializer=start, name=name)(x)
