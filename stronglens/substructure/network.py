"""Residual networks that classify the substructure of a lens: from images to class probabilities."""

from dataclasses import dataclass

from stronglens.networks import open_image
from stronglens.scaling import ImageScaling
from stronglens.substructure.residual import add_basic, add_bottleneck, add_residual, convolve
from stronglens.training import keras, spread_seed

SMALLEST_SIDE = 32  # minimum side of an image, pixels: after five halvings one pixel remains
STEM_FILTERS = 64
STAGE_FILTERS = (64, 128, 256, 512)


@dataclass(frozen=True)
class Architecture:
    """Architecture of a residual network.

    Attributes
    ----------
    blocks : tuple of 4 int
        Number of blocks in each stage. The first block of a stage halves the image, except in the first stage.
    bottleneck : bool
        Blocks have 1x1, 3x3 and 1x1 convolutions instead of two 3x3 convolutions.
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
    """Build an untrained residual network from raw images to class probabilities.

    After He, Zhang, Ren & Sun (2016, CVPR, table 1): a 7x7 convolution with stride 2, 3x3 max-pooling with stride 2,
    four stages of residual blocks, global average pooling and a dense layer. Batch normalisation follows each
    convolution. The shortcut of a block that changes the size or the number of filters is a 1x1 convolution. A
    bottleneck block halves the image in its 3x3 convolution, as in current libraries. The initial weights are those
    of He et al. (2015, ICCV).

    For three classes ``resnet34`` has 21,279,939 trainable parameters, ``resnet18`` 11,171,779 and ``bottleneck``
    (ResNet-50) 23,507,907, for every image size.

    Parameters
    ----------
    kind : {"resnet34", "resnet18", "bottleneck"}
    image_shape : (H, W), pixels
    image_scaling : ImageScaling
        Scaling fitted on the training split; it adds no trainable parameters.
    classes : int
        Number of classes.
    seed : int
        Seed of the initial weights.

    Returns
    -------
    keras.Model
        Input (batch, H, W) float32, electrons/s; output (batch, classes) float32, probabilities.

    Raises
    ------
    RunError
        If the image is too small for five halvings.
    """
    architecture = ARCHITECTURES[kind]
    add_block = add_bottleneck if architecture.bottleneck else add_basic
    # At most four convolutions per block, the stem and the dense layer.
    seeds = iter(spread_seed(seed, 4 * sum(architecture.blocks) + 2))
    image, x = open_image(image_shape, image_scaling, SMALLEST_SIDE)
    x = convolve(x, STEM_FILTERS, 7, 2, seeds, "stem")
    x = keras.layers.ReLU(name="stem_relu")(x)
    x = keras.layers.MaxPooling2D(3, 2, padding="same", data_format="channels_last", name="stem_pooling")(x)
    for stage, (filters, blocks) in enumerate(zip(STAGE_FILTERS, architecture.blocks, strict=True), start=1):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            x = add_residual(x, add_block, filters, stride, seeds, f"stage_{stage}_block_{block}")
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="mean")(x)
    # A sixth of He's variance, with which the initial probabilities would be near 0 and 1.
    start = keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform", seed=next(seeds))
    logits = keras.layers.Dense(classes, kernel_initializer=start, dtype="float32", name="logits")(x)
    return keras.Model(image, keras.layers.Softmax(dtype="float32", name="probabilities")(logits), name=kind)
