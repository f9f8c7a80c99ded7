"""Networks that find lenses: from images of one or more bands to the probabilities of the two groups."""

from collections.abc import Iterator, Sequence

from stronglens.networks import open_image
from stronglens.scaling import ImageScaling
from stronglens.training import keras, spread_seed

OUTPUTS = 2
"""Number of outputs: the probabilities of groups 0 (non-lens) and 1 (lens)."""

SMALL = ((32, 5, 2), (32, 3, 1), (64, 3, 2), (64, 3, 1), (96, 3, 2), (96, 3, 1))
"""Convolutions of ``small``: filters, side of the kernel, stride."""
OU66 = ((50, 3, 2), (50, 3, 1), (50, 3, 1), (50, 3, 1), (40, 3, 2), (40, 3, 1), (40, 3, 1), (40, 3, 1), (30, 3, 2))
OU200 = ((50, 5, 2), (40, 5, 2), (30, 3, 2), (20, 3, 2), (20, 3, 1), (20, 3, 1))
"""Convolutions of the published networks: filters, side of the kernel, factor of the max-pooling after it."""
UNITS = {"ou66": 500, "ou200": 350}
"""Units of the first dense layer of the published networks."""
SMALLEST_SIDE = {"small": 16, "ou66": 58, "ou200": 116}
"""Minimum side of an image, pixels: one pixel remains after all convolutions."""
MOVING_MOMENTUM = 0.9
"""Of the averages that batch normalisation uses in prediction: they follow the weights within tens of steps."""
DROPOUT = 0.2


def build_network(
    kind: str, image_shape: tuple[int, ...], image_scaling: ImageScaling | None, seed: int = 0, dropout: float = DROPOUT
) -> keras.Model:
    """Build an untrained network from raw images to the probabilities of the groups non-lens and lens.

    ``small``: six convolutions with 32 to 96 filters, of which each second halves the image; batch normalisation and
    ReLU after each; the mean over the image; dropout. 205,282 parameters for one band.

    ``ou66``, ``ou200``: the networks of Wilde et al. (2022, MNRAS 512, 3464; arXiv:2202.12776) for images of 66 and of
    198 or 200 pixels, layer by layer: convolutions without padding, ReLU, 2x2 max-pooling after some, dropout after
    each; then two dense layers. Weights start with He et al.'s (2015, ICCV) normal distribution, biases with zero.
    201,842 and 327,882 parameters for one band.

    Parameters
    ----------
    kind : {"small", "ou66", "ou200"}
    image_shape : (H, W) or (H, W, B), pixels
    image_scaling : ImageScaling or None
        Fitted on the training split. None: each band of each image by its own range (see `scaling.scale_to_range`), as
        for the published networks.
    seed : int
        Seed of the initial weights and of the dropout.
    dropout : float
        Fraction of features that are set to zero in training.

    Returns
    -------
    keras.Model
        Input (batch, H, W) or (batch, H, W, B) float32, electrons/s; output (batch, 2) float32, probabilities.

    Raises
    ------
    RunError
        If the image has not the size that the network needs.
    """
    seeds = iter(spread_seed(seed, 2 * max(len(SMALL), len(OU66)) + 4))
    image, x = open_image(image_shape, image_scaling, SMALLEST_SIDE[kind])
    if kind == "small":
        for order, (filters, side, stride) in enumerate(SMALL, start=1):
            x = _convolve(
                x, filters, side, seeds, f"convolution_{order}", strides=stride, padding="same", use_bias=False
            )
            x = keras.layers.BatchNormalization(momentum=MOVING_MOMENTUM, name=f"normalised_{order}")(x)
            x = keras.layers.ReLU(name=f"relu_{order}")(x)
        x = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="mean")(x)
        x = keras.layers.Dropout(dropout, seed=next(seeds), name="dropout")(x)
    else:
        for order, (filters, side, pooling) in enumerate(OU66 if kind == "ou66" else OU200, start=1):
            x = _convolve(x, filters, side, seeds, f"convolution_{order}", activation="relu")
            if pooling > 1:
                x = keras.layers.MaxPooling2D(pooling, data_format="channels_last", name=f"pooling_{order}")(x)
            x = keras.layers.Dropout(dropout, seed=next(seeds), name=f"dropout_{order}")(x)
        x = keras.layers.Flatten(data_format="channels_last", name="flat")(x)
        x = keras.layers.Dense(
            UNITS[kind], activation="relu", kernel_initializer=keras.initializers.HeNormal(next(seeds)), name="features"
        )(x)
    start = keras.initializers.HeNormal(next(seeds))
    logits = keras.layers.Dense(OUTPUTS, kernel_initializer=start, dtype="float32", name="logits")(x)
    return keras.Model(image, keras.layers.Softmax(dtype="float32", name="probabilities")(logits), name=kind)


def join_members(members: Sequence[keras.Model]) -> keras.Model:
    """Join trained networks to a committee: one network with the mean of their probabilities.

    Parameters
    ----------
    members : sequence of keras.Model
        Of `build_network`, with inputs of one shape.

    Returns
    -------
    keras.Model
        The members are its layers ``member_1``, ``member_2`` ...
    """
    image = keras.Input(members[0].inputs[0].shape[1:], dtype="float32", name="image")
    outputs = []
    for number, member in enumerate(members, start=1):
        copy = keras.models.clone_model(member)
        copy.set_weights(member.get_weights())
        copy.name = f"member_{number}"
        outputs.append(copy(image))
    mean = keras.layers.Average(dtype="float32", name="probabilities")(outputs)
    return keras.Model(image, mean, name="committee")


def _convolve(x, filters: int, side: int, seeds: Iterator[int], name: str, **choices):
    start = keras.initializers.HeNormal(next(seeds))
    return keras.layers.Conv2D(
        filters, side, kernel_initializer=start, data_format="channels_last", name=name, **choices
    )(x)
