"""Networks that play against each other: generators, translators, and discriminators that judge what these make.

Layers are those of the DCGAN (Radford et al. 2016, ICLR): strided convolutions, leaky ReLU, dropout in the
discriminators. There is no batch normalisation: an image would then depend on the others of its batch. Instead, the
weights of each feature of a discriminator have the norm 1 (Salimans & Kingma 2016, NeurIPS): without it, in a trial
with 2,100 lenses and learning rates of 0.0002, the coverage of samples was still 0 after twenty epochs.
"""

from collections.abc import Iterator

import numpy as np

from stronglens.parameters import UsageError
from stronglens.scaling import ImageScaling
from stronglens.training import keras, spread_seed

SLOPE, DROPOUT = 0.2, 0.3
"""Slope of the leaky ReLU below zero, and share of the discriminator's features that are dropped."""

HALVINGS = 3
"""Layers that halve, or double, the sides of an image."""

AMPLIFIED = 5.0
"""Factor of the input of a discriminator of patches."""

UNITS = 128
"""Units of the hidden layers of networks that work on codes."""

layers = keras.layers


def build_generator(
    shape: tuple[int, int], latents: int, conditions: int, scaling: ImageScaling, limits: tuple[float, float],
    width: int, seed: int,
) -> keras.Model:  # fmt: skip
    """Build an untrained generator of images.

    Parameters
    ----------
    shape : (H, W), pixels
    latents, conditions : int
        Number L of random numbers, and number C of labels.
    scaling : ImageScaling
    limits : (float, float)
        Smallest and largest stretched pixel.
    width : int
        Filters of the first layer; the following ones have a half and a quarter.
    seed : int

    Returns
    -------
    keras.Model
        From ``code`` (B, L + C) to stretched pixels (B, H W), between the limits (a sigmoid, as in the lecture). It
        begins with empty sky.
    """
    small, pixels = _shrink(shape, "gan"), shape[0] * shape[1]
    seeds = iter(spread_seed(seed, HALVINGS + 1))
    code = keras.Input((latents + conditions,), name="code")
    y = _dense(code, small[0] * small[1] * width, seeds, "unflat")
    y = layers.Reshape((*small, width), name="small")(layers.LeakyReLU(SLOPE, name="leaky_0")(y))
    for number in range(1, HALVINGS):
        y = _convolve(layers.Conv2DTranspose, y, max(1, width // 2**number), seeds, f"stage_{number}", strides=2)
        y = layers.LeakyReLU(SLOPE, name=f"leaky_{number}")(y)
    low, high = limits
    sky = np.clip((-scaling.mean / np.sqrt(scaling.variance) - low) / (high - low), 1e-3, 0.999)
    start = keras.initializers.Constant(float(np.log(sky / (1 - sky))))
    y = _convolve(layers.Conv2DTranspose, y, 1, seeds, "image", strides=2, bias_initializer=start)
    y = layers.Activation("sigmoid", name="sigmoid")(y)
    y = layers.Rescaling(high - low, low, name="from_unit")(layers.Reshape((pixels,), name="pixels")(y))
    return keras.Model(code, y, name="generator")


def build_discriminator(shape: tuple[int, int], conditions: int, width: int, seed: int) -> keras.Model:
    """Build an untrained discriminator of images.

    Returns
    -------
    keras.Model
        Inputs ``point`` (B, H W), stretched pixels, and, if C > 0, ``condition`` (B, C); output (B, 1), the logit of
        the probability that the image is real.
    """
    seeds = iter(spread_seed(seed, 2 * HALVINGS + 2))
    point = keras.Input((shape[0] * shape[1],), name="point")
    x = layers.Reshape((*shape, 1), name="bands")(point)
    for number in range(HALVINGS):
        filters = max(1, width // 2 ** (HALVINGS - 1 - number))
        x = _convolve(layers.Conv2D, x, filters, seeds, f"stage_{number + 1}", strides=2, kernel_constraint=UNIT)
        x = _drop(layers.LeakyReLU(SLOPE, name=f"leaky_{number + 1}")(x), seeds, number)
    x = layers.Flatten(name="flat")(x)
    return _judge_with(point, x, conditions, seeds)


def build_code_generator(dimensions: int, conditions: int, seed: int) -> keras.Model:
    """Build an untrained generator of codes: from normal numbers and labels (B, D + C) to codes (B, D)."""
    seeds = iter(spread_seed(seed, 3))
    code = x = keras.Input((dimensions + conditions,), name="code")
    for number in range(2):
        x = layers.LeakyReLU(SLOPE, name=f"leaky_{number}")(_dense(x, UNITS, seeds, f"hidden_{number}"))
    return keras.Model(code, _dense(x, dimensions, seeds, "point"), name="generator")


def build_code_discriminator(dimensions: int, conditions: int, seed: int) -> keras.Model:
    """Build an untrained discriminator of codes ``point`` (B, D); see `build_discriminator`."""
    seeds = iter(spread_seed(seed, 6))
    point = x = keras.Input((dimensions,), name="point")
    for number in range(2):
        x = layers.LeakyReLU(SLOPE, name=f"leaky_{number}")(_dense(x, UNITS, seeds, f"hidden_{number}"))
        x = _drop(x, seeds, number)
    return _judge_with(point, x, conditions, seeds)


def build_translator(shape: tuple[int, int], width: int, blocks: int, seed: int, name: str) -> keras.Model:
    """Build an untrained translator: from stretched pixels (B, H W) to stretched pixels.

    A residual network at half the resolution (Zhu et al. 2017, ICCV), whose output is added to the image: it begins as
    the identity.

    Parameters
    ----------
    shape : (H, W), pixels
    width : int
        Filters.
    blocks : int
        Residual blocks of two convolutions.
    seed : int
    name : str
    """
    seeds = iter(spread_seed(seed, 2 * blocks + 3))
    point = keras.Input((shape[0] * shape[1],), name="point")
    image = layers.Reshape((*shape, 1), name="bands")(point)
    x = _convolve(layers.Conv2D, image, width, seeds, "down", strides=2)
    for number in range(blocks):
        y = layers.LeakyReLU(SLOPE, name=f"leaky_{number}_1")(x)
        y = _convolve(layers.Conv2D, y, width, seeds, f"block_{number}_1", kernel=3)
        y = layers.LeakyReLU(SLOPE, name=f"leaky_{number}_2")(y)
        x = layers.Add(name=f"block_{number}")([x, _convolve(layers.Conv2D, y, width, seeds, f"block_{number}_2", 3)])
    x = layers.LeakyReLU(SLOPE, name="leaky_out")(x)
    x = _convolve(layers.Conv2DTranspose, x, max(4, width // 2), seeds, "up", strides=2)
    x = layers.Concatenate(name="with_image")([layers.LeakyReLU(SLOPE, name="leaky_up")(x), image])
    change = layers.Conv2D(1, 5, padding="same", kernel_initializer="zeros", name="change", **LAST)(x)
    whole = layers.Add(name="translated")([image, change])
    return keras.Model(point, layers.Reshape((shape[0] * shape[1],), name="pixels")(whole), name=name)


def build_patch_discriminator(shape: tuple[int, int], width: int, seed: int) -> keras.Model:
    """Build an untrained discriminator of patches (Isola et al. 2017, CVPR): one output for each, (B, h, w, 1).

    Two telescopes differ in their noise, which is small in stretched units. Its input is therefore amplified, and its
    weights have no fixed norm.
    """
    _shrink(shape, "cyclegan")
    seeds = iter(spread_seed(seed, HALVINGS + 1))
    point = keras.Input((shape[0] * shape[1],), name="point")
    x = layers.Rescaling(AMPLIFIED, name="amplified")(layers.Reshape((*shape, 1), name="bands")(point))
    for number in range(HALVINGS):
        x = _convolve(layers.Conv2D, x, width * 2**number, seeds, f"stage_{number}", strides=2)
        x = layers.LeakyReLU(SLOPE, name=f"leaky_{number}")(x)
    return keras.Model(point, _convolve(layers.Conv2D, x, 1, seeds, "patches", kernel=3))


LAST = {"data_format": "channels_last"}
UNIT, UNIT_DENSE = keras.constraints.UnitNorm([0, 1, 2]), keras.constraints.UnitNorm(0)


def _convolve(layer, x, filters: int, seeds: Iterator[int], name: str, kernel: int = 4, strides: int = 1, **more):
    initial = keras.initializers.HeNormal(seed=next(seeds))
    how = {"padding": "same", "kernel_initializer": initial, "strides": strides, "name": name, **LAST, **more}
    return layer(filters, kernel, **how)(x)


def _dense(x, units: int, seeds: Iterator[int], name: str, **more):
    return layers.Dense(units, kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)), name=name, **more)(x)


def _drop(x, seeds: Iterator[int], number: int):
    return layers.Dropout(DROPOUT, seed=next(seeds), name=f"dropout_{number}")(x)


def _judge_with(point, x, conditions: int, seeds: Iterator[int]) -> keras.Model:
    inputs = {"point": point}
    if conditions:
        inputs["condition"] = keras.Input((conditions,), name="condition")
        x = layers.Concatenate(name="with_condition")([x, inputs["condition"]])
        x = layers.LeakyReLU(SLOPE, name="leaky_condition")(
            _dense(x, UNITS, seeds, "hidden_condition", kernel_constraint=UNIT_DENSE)
        )
    logit = _dense(x, 1, seeds, "logit", kernel_constraint=UNIT_DENSE)
    return keras.Model(inputs, logit, name="discriminator")


def _shrink(shape: tuple[int, int], kind: str) -> list[int]:
    shrink = 2**HALVINGS
    if any(side % shrink for side in shape):
        raise UsageError(f"--network={kind} needs images whose sides are multiples of {shrink} pixels, not {shape}")
    return [side // shrink for side in shape]
