"""Residual networks that name the substructure of a lens: images in, a probability a class out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stronglens.parameters import RunError
from stronglens.scaling import ImageScaling, stretch_images
from stronglens.training import keras, spread_seed

SMALLEST_SIDE = 32  # pixels: five halvings must leave one
STEM_FILTERS = 64
STAGE_FILTERS = (64, 128, 256, 512)
EXPANSION = 4  # of a bottleneck: its last convolution has so many times the filters of its first
# Moving means follow within tens of steps, and a variance of zero is no trouble: as in He et al.'s own code.
MOVING_MOMENTUM, EPSILON = 0.9, 1e-5


@dataclass(frozen=True)
class Architecture:
    """Say what a residual network is made of.

    Attributes
    ----------
    blocks : tuple of 4 int
        Blocks in each stage; the first block of all stages but the first halves the image.
    bottleneck : bool
        Blocks of 1x1, 3x3 and 1x1 convolutions in place of two of 3x3.
    """

    blocks: tuple[int, int, int, int]
    bottleneck: bool = False


ARCHITECTURES = {
    "resnet18": Architecture((2, 2, 2, 2)),
    "resnet34": Architecture((3, 4, 6, 3)),
    "bottleneck": Architecture((3, 4, 6, 3), bottleneck=True),
}


def build_network(
    kind: str, image_shape: tuple[int, int], image_scaling: ImageScaling, classes: int, seed: int = 0
) -> keras.Model:
    """Build a residual network, untrained, between raw images and probabilities of classes.

    After He, Zhang, Ren & Sun (2016, CVPR, table 1): a convolution of 7x7 and stride 2, 3x3 max-pooling of
    stride 2, four stages of residual blocks, the mean over the image, a dense layer. Each convolution is
    followed by batch normalisation; where a block changes the size or the number of filters, its shortcut is
    a 1x1 convolution. A bottleneck halves the image in its 3x3 convolution, as all of today's libraries do.
    Weights start as in He et al. (2015, ICCV).

    For three classes ``resnet34`` has 21,279,939 trainable parameters, ``resnet18`` 11,171,779 and
    ``bottleneck`` (ResNet-50) 23,507,907, whatever the size of the image.

    Parameters
    ----------
    kind : {"resnet34", "resnet18", "bottleneck"}
    image_shape : (H, W), pixels
    image_scaling
        As fitted on the training split; it adds no parameters.
    classes : int
    seed : int
        Of the initial weights.

    Returns
    -------
    keras.Model
        Input (batch, H, W) float32, electrons/s; output (batch, classes) float32, probabilities.

    Raises
    ------
    RunError
        If the image is too small for five halvings.
    """
    height, width = image_shape
    if min(height, width) < SMALLEST_SIDE:
        raise RunError(
            f"images of {height} x {width} pixels are too small for the network, which halves them five times: "
            f"simulate at least {SMALLEST_SIDE} x {SMALLEST_SIDE} (--grid-size)"
        )
    architecture = ARCHITECTURES[kind]
    add_block = _add_bottleneck if architecture.bottleneck else _add_basic
    # At most four convolutions a block, the stem and the dense layer.
    seeds = iter(spread_seed(seed, 4 * sum(architecture.blocks) + 2))
    image = keras.Input((height, width), dtype="float32", name="image")
    flow = stretch_images(image, image_scaling)
    flow = keras.layers.Reshape((height, width, 1), name="channel")(flow)
    flow = _convolve(flow, STEM_FILTERS, 7, 2, seeds, "stem")
    flow = keras.layers.ReLU(name="stem_relu")(flow)
    flow = keras.layers.MaxPooling2D(3, 2, padding="same", data_format="channels_last", name="stem_pooling")(flow)
    for stage, (filters, blocks) in enumerate(zip(STAGE_FILTERS, architecture.blocks, strict=True), start=1):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            flow = _add_residual(flow, add_block, filters, stride, seeds, f"stage_{stage}_block_{block}")
    flow = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="mean")(flow)
    # A sixth of He's variance: with his the first probabilities are near 0 and 1, and must be unlearned.
    start = keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform", seed=next(seeds))
    logits = keras.layers.Dense(classes, kernel_initializer=start, dtype="float32", name="logits")(flow)
    return keras.Model(image, keras.layers.Softmax(dtype="float32", name="probabilities")(logits), name=kind)


def _add_residual(flow, add_block: Callable, filters: int, stride: int, seeds: Iterator[int], name: str):
    branch = add_block(flow, filters, stride, seeds, name)
    if branch.shape != flow.shape:
        flow = _convolve(flow, branch.shape[-1], 1, stride, seeds, f"{name}_shortcut")
    flow = keras.layers.Add(name=f"{name}_sum")([flow, branch])
    return keras.layers.ReLU(name=f"{name}_relu")(flow)


def _add_basic(flow, filters: int, stride: int, seeds: Iterator[int], name: str):
    flow = _convolve(flow, filters, 3, stride, seeds, f"{name}_1")
    flow = keras.layers.ReLU(name=f"{name}_1_relu")(flow)
    return _convolve(flow, filters, 3, 1, seeds, f"{name}_2")


def _add_bottleneck(flow, filters: int, stride: int, seeds: Iterator[int], name: str):
    flow = _convolve(flow, filters, 1, 1, seeds, f"{name}_1")
    flow = keras.layers.ReLU(name=f"{name}_1_relu")(flow)
    flow = _convolve(flow, filters, 3, stride, seeds, f"{name}_2")
    flow = keras.layers.ReLU(name=f"{name}_2_relu")(flow)
    return _convolve(flow, EXPANSION * filters, 1, 1, seeds, f"{name}_3")


def _convolve(flow, filters: int, side: int, stride: int, seeds: Iterator[int], name: str):
    flow = keras.layers.Conv2D(
        filters,
        side,
        stride,
        padding="same",
        use_bias=False,  # the normalisation would take it away again
        kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
        data_format="channels_last",
        name=name,
    )(flow)
    # Scales start at one in every block. Zeros in the last of each (Goyal et al. 2017, arXiv:1706.02677) made a
    # short training learn less: 500 images of 32 pixels with spots and lines in noise, 6 epochs of resnet18, sgd at
    # 0.01 and 0.05, three trainings each: 0.52 to 0.59 of unseen ones told right, with zeros 0.29 to 0.38.
    return keras.layers.BatchNormalization(momentum=MOVING_MOMENTUM, epsilon=EPSILON, name=f"{name}_normalised")(flow)
