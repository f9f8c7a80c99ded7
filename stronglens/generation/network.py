"""Networks that compress an image to a few codes (latents) and restore it.

Each is one Keras model, from an image to the image that its codes restore. Its parts are plain models of their own:
``encoder``, from an image to codes (a variational one also gives the logarithm of their variance), and ``decoder``,
from codes to an image without noise. The dense networks work on principal components: linear layers past the hidden
ones begin as the leading components, and the hidden layers' outputs as zero, so that an untrained network is PCA.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from stronglens.generation.components import Components
from stronglens.parameters import UsageError
from stronglens.scaling import ImageScaling, stretch_images
from stronglens.training import keras, spread_seed

KINDS = ("pca", "lecture", "autoencoder", "vae", "conv-autoencoder", "conv-vae")
VARIATIONAL = ("vae", "conv-vae")
"""Networks whose encoder gives a distribution of the codes."""

ON_PIXELS = ("lecture", "conv-autoencoder", "conv-vae")
"""Networks that work on stretched pixels, not on principal components."""

FILTERS = 16, 32, 64
"""Filters of the convolutional networks; each layer halves the sides of the image."""

FIRST_LOG_VARIANCE = -3.0
"""Logarithm of the variance of a code in an untrained network; the codes of PCA have the variance 1."""

DAMPING = 0.5
"""The hidden layers see a component divided by the square root of its deviation, relative to the first: between its
true size, where only a few components matter, and equal sizes, where the noise of the last ones does."""


@dataclass(frozen=True)
class Parts:
    """A network and the parts of it that a training needs.

    Attributes
    ----------
    network : keras.Model
        Image (B, H, W[, C]), electrons/s, to the restored image.
    compress : keras.Model
        Inner part of the encoder, from points (B, N) to codes: coefficients of components, or stretched pixels.
    restore : keras.Model
        Inner part of the decoder, from codes (B, L) to points.
    """

    network: keras.Model
    compress: keras.Model
    restore: keras.Model


def build_network(
    kind: str,
    shape: tuple[int, ...],
    scaling: ImageScaling,
    components: Components,
    latents: int,
    width: int = 256,
    depth: int = 2,
    seed: int = 0,
    limits: tuple[float, float] = (-1.0, 1.0),
) -> Parts:
    """Build an untrained network.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    shape : (H, W) or (H, W, C), pixels
    scaling : ImageScaling
    components : Components
    latents : int
        Number L of codes.
    width, depth : int
        Units of a hidden layer, and number of these layers in the encoder and in the decoder.
    seed : int
        Seed of the initial weights.
    limits : (float, float)
        Smallest and largest stretched pixel, of ``lecture``, whose output lies between them.

    Returns
    -------
    Parts
    """
    seeds = iter(spread_seed(seed, 2 * depth + 16))
    image = keras.Input(shape, dtype="float32", name="image")
    code = keras.Input((latents,), dtype="float32", name="code")
    x = keras.layers.Reshape((int(np.prod(shape)),), name="pixels")(stretch_images(image, scaling))
    if kind in ON_PIXELS:
        if kind == "lecture":
            compress, restore = _build_lecture(x.shape[1], latents, limits, seeds)
        else:
            compress, restore = _build_convolutional(kind, shape, latents, width, seeds)
        light = restore(code)
    else:
        x = _add_projection(x, components)
        compress, restore = build_dense(kind, components, latents, width, depth, seeds)
        light = _add_reconstruction(restore(code), components)
    encoder = keras.Model(image, compress(x), name="encoder")
    decoder = keras.Model(code, add_light(light, shape, scaling), name="decoder")
    return Parts(keras.Model(image, decoder(codes_of(encoder(image))), name=kind), compress, restore)


def codes_of(encoded):
    """Return the codes of what an encoder gives: the mean, of a distribution."""
    return encoded[0] if isinstance(encoded, (list, tuple)) else encoded


def encode(network: keras.Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Apply the encoder of a network.

    Returns
    -------
    codes : ndarray (N, L)
    log_variance : ndarray (N, L) or None
        None for a network that gives no distribution.
    """
    encoded = network.get_layer("encoder").predict(images, batch_size=256, verbose=0)
    return (encoded[0], encoded[1]) if isinstance(encoded, (list, tuple)) else (encoded, None)


def decode(network: keras.Model, codes: np.ndarray) -> np.ndarray:
    """Return the images (N, H, W[, C]), electrons/s, of codes (N, L)."""
    return network.get_layer("decoder").predict(codes, batch_size=256, verbose=0)


def build_dense(
    kind: str, components: Components, latents: int, width: int, depth: int, seeds: Iterator[int], activation="silu"
) -> tuple[keras.Model, keras.Model]:
    """Build the inner parts of a dense network: from coefficients of components to codes, and back (see `Parts`).

    Without hidden layers (``depth=0``) both are linear.
    """
    number = len(components.deviation)
    point, code = keras.Input((number,), name="point"), keras.Input((latents,), name="code")
    identity = np.eye(number, dtype=np.float32)
    mean = _linear(point, identity[:, :latents], "linear_code")
    restored = _linear(code, identity[:latents], "linear_point")
    if kind == "pca" or not depth:
        return keras.Model(point, mean, name="compress"), keras.Model(code, restored, name="restore")
    damping = (components.deviation / components.deviation[0]) ** DAMPING
    hidden = _add_hidden(
        keras.layers.Rescaling(damping.tolist(), name="damping")(point), width, depth, seeds, activation, "in"
    )
    mean = keras.layers.Add(name="mean")([mean, _zeros(hidden, latents, "mean_correction")])
    outputs = mean
    if kind in VARIATIONAL:
        outputs = [mean, _zeros(hidden, latents, "log_variance", FIRST_LOG_VARIANCE)]
    hidden = _add_hidden(code, width, depth, seeds, activation, "out")
    correction = keras.layers.Rescaling((1 / damping).tolist(), name="undamping")(_zeros(hidden, number, "correction"))
    restored = keras.layers.Add(name="restored")([restored, correction])
    return keras.Model(point, outputs, name="compress"), keras.Model(code, restored, name="restore")


def _build_lecture(pixels: int, latents: int, limits: tuple[float, float], seeds: Iterator[int]):
    low, high = limits
    point, code = keras.Input((pixels,), name="point"), keras.Input((latents,), name="code")
    x = keras.layers.Rescaling(1 / (high - low), -low / (high - low), name="to_unit")(point)
    x = _dense(x, latents, "relu", seeds, "codes")
    y = _dense(code, pixels, "sigmoid", seeds, "sigmoid")
    y = keras.layers.Rescaling(high - low, low, name="from_unit")(y)
    return keras.Model(point, x, name="compress"), keras.Model(code, y, name="restore")


def _build_convolutional(kind: str, shape: tuple[int, ...], latents: int, width: int, seeds: Iterator[int]):
    bands, shrink = (shape[2] if len(shape) == 3 else 1), 2 ** len(FILTERS)
    if any(side % shrink for side in shape[:2]):
        raise UsageError(f"--network={kind} needs images whose sides are multiples of {shrink} pixels, not {shape[:2]}")
    small = [side // shrink for side in shape[:2]]
    pixels = int(np.prod(shape))
    point, code = keras.Input((pixels,), name="point"), keras.Input((latents,), name="code")

    def convolve(layer, x, filters, name, activation="silu"):
        initial = keras.initializers.GlorotUniform(seed=next(seeds))
        how = {"strides": 2, "padding": "same", "data_format": "channels_last", "kernel_initializer": initial}
        return layer(filters, 3, activation=activation, name=name, **how)(x)

    x = keras.layers.Reshape((*shape[:2], bands), name="bands")(point)
    for number, filters in enumerate(FILTERS, start=1):
        x = convolve(keras.layers.Conv2D, x, filters, f"stage_{number}")
    x = keras.layers.Reshape((small[0] * small[1] * FILTERS[-1],), name="flat")(x)
    x = _dense(x, width, "silu", seeds, "dense")
    outputs = mean = _dense(x, latents, "linear", seeds, "mean")
    if kind in VARIATIONAL:
        outputs = [mean, _zeros(x, latents, "log_variance", FIRST_LOG_VARIANCE)]
    y = _dense(code, width, "silu", seeds, "dense")
    y = _dense(y, small[0] * small[1] * FILTERS[-1], "silu", seeds, "unflat")
    y = keras.layers.Reshape((*small, FILTERS[-1]), name="small")(y)
    for number, filters in enumerate((*FILTERS[-2::-1], bands), start=1):
        activation = "silu" if number < len(FILTERS) else "linear"
        y = convolve(keras.layers.Conv2DTranspose, y, filters, f"stage_{number}", activation)
    y = keras.layers.Reshape((pixels,), name="pixels")(y)
    return keras.Model(point, outputs, name="compress"), keras.Model(code, y, name="restore")


def add_components(components: Components) -> tuple[Callable, Callable]:
    """Return what adds the fixed layers to a network: from values to coefficients of components, and back."""
    return (lambda x: _add_projection(x, components)), (lambda x: _add_reconstruction(x, components))


def _add_projection(x, components: Components):
    kernel = components.axes.T / components.deviation
    return _fixed(x, kernel, -components.mean @ kernel, "components")


def _add_reconstruction(x, components: Components):
    return _fixed(x, components.axes * components.deviation[:, None], components.mean, "pixels_of_components")


def add_light(x, shape: tuple[int, ...], scaling: ImageScaling):
    """Add the layers from stretched pixels (B, P) to images (B, H, W[, C]), electrons/s, to a functional network."""
    x = keras.layers.Reshape(shape, name="stretched")(x)
    x = keras.layers.Rescaling(float(np.sqrt(scaling.variance)), scaling.mean, dtype="float32", name="unscaled")(x)
    softening = scaling.softening
    scale = list(softening) if isinstance(softening, tuple) else softening
    return keras.layers.Rescaling(scale, dtype="float32", name="light")(keras.ops.sinh(x))


def _add_hidden(x, width: int, depth: int, seeds: Iterator[int], activation: str, name: str):
    for number in range(1, depth + 1):
        x = _dense(x, width, activation, seeds, f"hidden_{name}_{number}")
    return x


def _dense(x, units: int, activation: str, seeds: Iterator[int], name: str):
    initial = keras.initializers.GlorotUniform(seed=next(seeds))
    return keras.layers.Dense(units, activation=activation, kernel_initializer=initial, name=name)(x)


def _zeros(x, units: int, name: str, bias: float = 0.0):
    start = keras.initializers.Constant(bias)
    return keras.layers.Dense(units, kernel_initializer="zeros", bias_initializer=start, name=name)(x)


def _linear(x, kernel: np.ndarray, name: str):
    return _with_weights(keras.layers.Dense(kernel.shape[1], name=name), x, kernel, np.zeros(kernel.shape[1]))


def _fixed(x, kernel: np.ndarray, bias: np.ndarray, name: str):
    layer = keras.layers.Dense(kernel.shape[1], dtype="float32", name=name, trainable=False)
    return _with_weights(layer, x, kernel, bias)


def _with_weights(layer: keras.layers.Layer, x, kernel: np.ndarray, bias: np.ndarray):
    output = layer(x)
    layer.set_weights([kernel, bias])
    return output
