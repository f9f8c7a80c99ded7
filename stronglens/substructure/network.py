"""Residual networks that name the substructure of a lens: images in, a probability a class out."""

from dataclasses import dataclass

from stronglens.parameters import RunError
from stronglens.scaling import ImageScaling, stretch_images
from stronglens.substructure.residual import add_basic, add_bottleneck, add_residual, convolve
from stronglens.training import keras, spread_seed

SMALLEST_SIDE = 32  # pixels: five halvings must leave one
STEM_FILTERS = 64
STAGE_FILTERS = (64, 128, 256, 512)


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
    add_block = add_bottleneck if architecture.bottleneck else add_basic
    # At most four convolutions a block, the stem and the dense layer.
    seeds = iter(spread_seed(seed, 4 * sum(architecture.blocks) + 2))
    image = keras.Input((height, width), dtype="float32", name="image")
    x = stretch_images(image, image_scaling)
    x = keras.layers.Reshape((height, width, 1), name="channel")(x)
    x = convolve(x, STEM_FILTERS, 7, 2, seeds, "stem")
    x = keras.layers.ReLU(name="stem_relu")(x)
    x = keras.layers.MaxPooling2D(3, 2, padding="same", data_format="channels_last", name="stem_pooling")(x)
    for stage, (filters, blocks) in enumerate(zip(STAGE_FILTERS, architecture.blocks, strict=True), start=1):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            x = add_residual(x, add_block, filters, stride, seeds, f"stage_{stage}_block_{block}")
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="mean")(x)
    # A sixth of He's variance: with his the first probabilities are near 0 and 1, and must be unlearned.
    start = keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform", seed=next(seeds))
    logits = keras.layers.Dense(classes, kernel_initializer=start, dtype="float32", name="logits")(x)
    return keras.Model(image, keras.layers.Softmax(dtype="float32", name="probabilities")(logits), name=kind)
