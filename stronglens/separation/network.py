"""Networks that separate an image into noise, source and lens.

They are U-Nets (Ronneberger, Fischer & Brox 2015, MICCAI). Each draws the noise and the source, in units of the noise.
The lens's light is what remains of the image: image - noise - source. A network that drew the lens itself would have to
copy a bright image exactly.
"""

from collections.abc import Iterator

from stronglens.scaling import ImageScaling, stretch_images
from stronglens.separation.camera import Camera
from stronglens.training import keras, spread_seed

UNITS, DENOISED, SOURCE = "units", 0, 1
"""Name of the layer with noise and source in units of the noise; planes of the network's output, e-/s."""

FILTERS = (16, 32, 64, 96)
"""Filters at full resolution, and after each halving."""

BRIGHT = 0.05
"""Scale of the linear input: light in units of the noise reaches hundreds."""

SUMMARY = 64

TRUNK, TRUNK_BLOCKS, BRANCH_BLOCKS = 24, 4, 2
"""Filters and blocks of `add_branches`."""


def build_network(kind: str, shape: tuple[int, int], image_scaling: ImageScaling, camera: Camera, seed: int):
    """Build an untrained network.

    Parameters
    ----------
    kind : {"unet", "branched"}
    shape : (H, W), pixels
    image_scaling : ImageScaling
        Of one of its views of the image (`open_views`).
    camera : Camera
    seed : int

    Returns
    -------
    keras.Model
        From images (B, H, W), e-/s, to (B, H, W, 2), e-/s: the light without noise, and the source's. Its layer
        `UNITS` gives the noise and the source in units of the noise.
    """
    ops, seeds = keras.ops, iter(spread_seed(seed, 40))
    image = keras.Input(shape, dtype="float32", name="image")
    light, times = open_units(image, camera)
    x = open_views(light, stretch_images(image, image_scaling))
    x = add_branches(x, seeds) if kind == "branched" else add_unet(x, shape, seeds)
    x = keras.layers.Activation("linear", dtype="float32", name=UNITS)(x)
    noise, source = (ops.squeeze(plane, axis=-1) for plane in ops.split(x, 2, axis=-1))
    planes = [_restore(units, times, camera) for units in (light - noise, source)]
    return keras.Model(image, ops.stack(planes, axis=-1), name=kind)


def open_units(image, camera: Camera) -> tuple:
    """Return an image (B, H, W) [e-/s] in units of the noise, and its exposure time, as `Camera` computes them."""
    ops, times = keras.ops, camera.exposure_time
    if times is None:
        differences = image[:, :, 2:] - 2.0 * image[:, :, 1:-1] + image[:, :, :-2]
        median = ops.median(ops.absolute(differences), axis=(1, 2), keepdims=True)
        noise = ops.maximum(median, 1e-12) / (0.67449 * camera.difference_factor)
        times = (camera.sky + ops.sqrt(camera.sky**2 + (4 * camera.read_variance) * noise * noise)) / (
            2.0 * noise * noise
        )
    zero = times * camera.sky + (3 / 8 + camera.read_variance)
    root = ops.sqrt(zero) if camera.exposure_time is None else zero**0.5
    return 2.0 * ops.sqrt(ops.maximum(image * times + zero, 0.0)) - 2.0 * root, times


def open_views(light, stretched):
    """Return the views of an image that a network starts with, (B, H, W, 6).

    Two show bright and faint light; one is arcsinh-stretched at the noise; one is the difference from the mean of 3 x 3
    pixels, most of which is noise; and two are the difference from the image turned by 180 degrees, in which a centred
    lens cancels.
    """
    ops = keras.ops
    channel = ops.expand_dims(light, axis=-1)
    mean = keras.layers.AveragePooling2D(3, 1, padding="same", data_format="channels_last", name="around")(channel)
    sharp, turned = light - ops.squeeze(mean, axis=-1), light - ops.flip(light, axis=(1, 2))
    views = [light * BRIGHT, stretched, *(ops.arcsinh(one) for one in (light, sharp, turned)), turned * BRIGHT]
    return ops.stack(views, axis=-1)


def _restore(units, times, camera: Camera):
    """Return e-/s from units of the noise, as `Camera.to_light`."""
    ops = keras.ops
    zero = times * camera.sky + (3 / 8 + camera.read_variance)
    root = ops.sqrt(zero) if camera.exposure_time is None else zero**0.5
    above = ops.maximum(units * 0.5 + root, 0.0)
    return (above * above - zero) / times


def add_unet(x, shape: tuple[int, int], seeds: Iterator[int]):
    """Return (B, H, W, 2) from views (B, H, W, V): a U-Net with a summary of the image."""
    halvings = len(FILTERS) - 1
    missing = [-side % 2**halvings for side in shape]
    margins = [(some // 2, some - some // 2) for some in missing]
    x = keras.layers.ZeroPadding2D(margins, data_format="channels_last", name="margin")(x)
    kept = []
    for level, filters in enumerate(FILTERS):
        if level:
            kept.append(x)
            x = keras.layers.AveragePooling2D(2, data_format="channels_last", name=f"half_{level}")(x)
        x = _convolve(_convolve(x, filters, seeds, f"down_{level}_1"), filters, seeds, f"down_{level}_2")
    summary = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="mean")(x)
    start = keras.initializers.HeNormal(next(seeds))
    summary = keras.layers.Dense(SUMMARY, activation="relu", kernel_initializer=start, name="pooled")(summary)
    summary = keras.layers.Activation("linear", name="summary")(summary)
    start = keras.initializers.HeNormal(next(seeds))
    shared = keras.layers.Dense(FILTERS[-1], kernel_initializer=start, name="shared")(summary)
    x = x + keras.layers.Reshape((1, 1, FILTERS[-1]), name="everywhere")(shared)
    for level in reversed(range(halvings)):
        double = keras.layers.UpSampling2D(2, "channels_last", "bilinear", name=f"double_{level}")
        x = double(x)
        x = keras.layers.Concatenate(name=f"join_{level}")([x, kept[level]])
        x = _convolve(_convolve(x, FILTERS[level], seeds, f"up_{level}_1"), FILTERS[level], seeds, f"up_{level}_2")
    x = _convolve(x, 2, seeds, "planes", side=1, activation=None, scale=0.01)
    return keras.layers.Cropping2D(margins, data_format="channels_last", name="field")(x)


def add_branches(x, seeds: Iterator[int]):
    """Return (B, H, W, 2) from views (B, H, W, V): a trunk of residual blocks, then a branch for each of two planes.

    The arrangement is that of Reiman & Goehre (2019, MNRAS 485, 2617), whose blocks have batch normalisation. Each of
    their branches draws a galaxy; here one draws the noise and one the source.
    """
    x = _convolve(x, TRUNK, seeds, "enter")
    for block in range(TRUNK_BLOCKS):
        x = _add_residual(x, seeds, f"trunk_{block}")
    summary = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="mean")(x)
    summary = keras.layers.Activation("linear", name="summary")(summary)
    x = x + keras.layers.Reshape((1, 1, TRUNK), name="everywhere")(summary)
    planes = []
    for name in ("noise", "source"):
        branch = x
        for block in range(BRANCH_BLOCKS):
            branch = _add_residual(branch, seeds, f"{name}_{block}")
        planes.append(_convolve(branch, 1, seeds, name, activation=None, scale=0.01))
    return keras.layers.Concatenate(name="field")(planes)


def _add_residual(x, seeds: Iterator[int], name: str):
    branch = _convolve(x, TRUNK, seeds, f"{name}_1")
    return x + _convolve(branch, TRUNK, seeds, f"{name}_2", activation=None, scale=0.1)


def _convolve(x, filters: int, seeds: Iterator[int], name: str, side: int = 3, activation="relu", scale: float = 2.0):
    start = keras.initializers.VarianceScaling(scale, "fan_in", "truncated_normal", seed=next(seeds))
    return keras.layers.Conv2D(
        filters, side, padding="same", activation=activation, kernel_initializer=start, data_format="channels_last",
        name=name,
    )(x)  # fmt: skip
