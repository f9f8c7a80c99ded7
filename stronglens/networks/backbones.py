"""Backbones of networks: they compute features of raw images. A task adds its own output layers, the head."""

from collections.abc import Iterator

from stronglens.parameters import RunError
from stronglens.scaling import ImageScaling, scale_to_range, stretch_images
from stronglens.training import keras, spread_seed

REPORT_CONVOLUTIONS = ((32, 6), (64, 4), (128, 4))  # filters, side of the kernel in pixels
REPORT_UNITS = 128
REPORT_SEEDS = len(REPORT_CONVOLUTIONS) + 1
HEAD_SEEDS = 12  # seeds reserved for the layers of a head, after those of the report's backbone

RESNET_STEM = (32, 5, 2)  # filters, side of the kernel and stride in pixels
RESNET_STAGES = ((32, 1), (64, 2), (128, 2))  # filters, blocks
RESNET_SEEDS = 3 * 5 + 3
CONVNEXT_PATCH = 4  # side of a patch in pixels; smaller patches make the depthwise convolutions slow on a CPU
CONVNEXT_STAGES = ((64, 2), (128, 2))  # filters, blocks
CONVNEXT_SEEDS = 3 * 4 + 4
KERNEL_SIDE = 7
WIDENING = 4
LAYER_SCALE = 0.1
GRID_FILTERS = 32  # filters of the flattened grid, which keeps positions; a mean over the image would lose them
UNITS = 256
SMALLEST_SIDE = 8  # minimum side of an image in pixels, since it is halved three times


def build_backbone(kind: str, image_shape: tuple[int, int], image_scaling: ImageScaling, seed: int = 0):
    """Build a backbone: the layers of a network that compute features of raw images.

    All three architectures halve the image three times and end with a dense layer (ReLU) on the flattened grid of
    features, so that positions are kept to a fraction of a pixel. None has dropout.

    ``report``: three convolutional layers (same padding, stride 1, tanh), each followed by 2x2 max-pooling; 128
    features.

    ``resnet``: a 5x5 convolutional layer and five residual blocks (He, Zhang, Ren & Sun 2016, CVPR) without batch
    normalisation; 256 features.

    ``convnext``: blocks of Liu et al. (2022, CVPR) on patches of 4x4 pixels. A block has a 7x7 depthwise convolution,
    layer normalisation, a dense layer with four times the width (GELU), a dense layer with the original width, and a
    scaled residual connection; 256 features.

    Parameters
    ----------
    kind : {"report", "resnet", "convnext"}
    image_shape : (H, W), pixels
    image_scaling : ImageScaling
        Fitted on the training split; it adds no trainable parameters.
    seed : int
        Seed of the initial weights. A head takes its seeds from `head_seeds`.

    Returns
    -------
    image : keras.KerasTensor (batch, H, W) float32, electrons/s
        Input of the network.
    features : keras.KerasTensor (batch, F)

    Raises
    ------
    RunError
        If a side of the image is less than 8 pixels.
    """
    image, x = open_image(image_shape, image_scaling, SMALLEST_SIDE)
    if kind == "report":
        return image, _add_report(x, iter(spread_seed(seed, REPORT_SEEDS)))
    taken = REPORT_SEEDS + HEAD_SEEDS
    if kind == "resnet":
        return image, _add_resnet(x, iter(spread_seed(seed, taken + RESNET_SEEDS)[taken:]))
    return image, _add_convnext(x, iter(spread_seed(seed, taken + CONVNEXT_SEEDS)[taken:]))


def open_image(image_shape: tuple[int, ...], image_scaling, smallest_side: int) -> tuple:
    """Return the first layers of a network: its input, and the stretched image with one channel or its bands.

    Parameters
    ----------
    image_shape : (H, W) or (H, W, B), pixels
    image_scaling : ImageScaling or None
        None: each band of each image is scaled by its own range (see `scaling.scale_to_range`).
    smallest_side : int, pixels that the network's halvings need

    Returns
    -------
    image : keras.KerasTensor (batch, H, W) or (batch, H, W, B) float32, electrons/s
    x : keras.KerasTensor (batch, H, W, 1) or (batch, H, W, B)

    Raises
    ------
    RunError
        If the image is smaller.
    """
    height, width, *bands = image_shape
    if min(height, width) < smallest_side:
        raise RunError(
            f"images of {height} x {width} pixels are too small for the network: "
            f"simulate at least {smallest_side} x {smallest_side} (--grid-size)"
        )
    image = keras.Input(tuple(image_shape), dtype="float32", name="image")
    x = scale_to_range(image) if image_scaling is None else stretch_images(image, image_scaling)
    if bands:
        return image, x
    return image, keras.layers.Reshape((height, width, 1), name="channel")(x)


def head_seeds(seed: int) -> list[int]:
    """Return seeds for the layers of a head; the backbone does not use them.

    Returns
    -------
    list of 12 int
    """
    return spread_seed(seed, REPORT_SEEDS + HEAD_SEEDS)[REPORT_SEEDS:]


def visualised_layers(network: keras.Model) -> list[keras.layers.Layer]:
    """Return three layers of a network's backbone whose feature maps a figure shows.

    Parameters
    ----------
    network : keras.Model
        With a backbone of `build_backbone`.

    Returns
    -------
    list of 3 keras.layers.Layer
        With outputs (batch, h, w, filters): the convolutional layers of ``report``; the stages of ``resnet``; the
        patches and the two stages of ``convnext``.
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
    # Small initial weights, so that a block is initially close to the identity (Zhang, Dauphin & Ma 2019, ICLR).
    branch = _convolve(branch, filters, 3, 1, seeds, f"{name}_2", None, LAYER_SCALE**2)
    if branch.shape != x.shape:
        x = _convolve(x, filters, 1, stride, seeds, f"{name}_shortcut", None, 1.0)
    x = keras.layers.Add(name=f"{name}_sum")([x, branch])
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _convolve(x, filters: int, side: int, stride: int, seeds: Iterator[int], name: str, activation, scale=2.0):
    # Initial weights of He et al. (2015, ICCV). No batch normalisation: in training, features would depend on the other
    # images of the batch. The network would learn this as noise, which is absent in prediction, and its posteriors
    # would be too wide.
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
    # The paper multiplies the output by a trained scale per filter, initially 1e-6. Here the scale is part of the
    # initial weights: the same function, but 1/6 faster to compute. It is larger than 1e-6, as for all networks with
    # few layers (Touvron et al. 2021, ICCV).
    start = keras.initializers.VarianceScaling(LAYER_SCALE**2, "fan_avg", "uniform", seed=next(seeds))
    branch = keras.layers.Dense(filters, kernel_initializer=start, name=f"{name}_narrow")(branch)
    return keras.layers.Add(name=f"{name}_sum")([x, branch])


def _normalise(x, name: str):
    return keras.layers.LayerNormalization(epsilon=1e-6, name=name)(x)


def _add_dense(x, units: int, activation: str | None, seeds: Iterator[int], name: str):
    start = keras.initializers.GlorotUniform(seed=next(seeds))
    return keras.layers.Dense(units, activation=activation, kernel_initializer=start, name=name)(x)
