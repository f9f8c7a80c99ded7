"""Networks that reconstruct a source: a regularised inversion, then learned corrections.

Two networks begin from the non-negative inversion. ``unet`` corrects it once. ``rim``, a recurrent inference machine
(Putzky & Welling 2017, arXiv:1706.04008; Morningstar et al. 2019, ApJ 883, 14), corrects it in steps: each sees the
estimate and the gradient of the likelihood there, and hands a memory on. Both also give the logarithm of the variance
of each source pixel. ``magnet`` is a machine that begins from zero (see `magnet`). ``none`` is the inversion alone.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stronglens.measuring.coolest import LENS_COLUMNS
from stronglens.reconstruction.inversion import FIRST_STRENGTHS, curvature, interpolate_strength, invert, project
from stronglens.reconstruction.magnet import MagnetCell
from stronglens.reconstruction.operator import (
    Operator,
    gaussian_blur,
    pixel_rays,
    separate_psf,
    trace_rays,
)
from stronglens.training import keras

ops = keras.ops

INVERSIONS = "back-projection", "curvature", "non-negative"
"""First outputs of a network: A^T y / A^T 1, the inversion by conjugate gradients, and that without negative pixels."""

CHANNELS, MEMORY = 64, 32
CORRECTION = 0.3
"""Scale of a learned correction, sources having a peak of 1."""
GRADIENT_STEP = 0.5
"""Step of the RIM along the preconditioned gradient, which a correction is added to."""
FIRST_LOG_VARIANCE = 2 * np.log(0.03)
"""Logarithm of the variance of a source pixel that an untrained network gives."""
FREEDOM = 4
"""Degrees of freedom of the likelihood of Student's t."""
PRECONDITION = 0.4, 12.0
"""Of the gradient: its curvature is about 0.4 A^T W 1 + 12 lambda."""


@dataclass(frozen=True)
class Camera:
    """What images and sources look like.

    Attributes
    ----------
    side, source_side : int, pixels of an image and of a source
    pixel_scale, source_field : float, arcsec
    operator_error : float, standard deviation that the operator itself leaves in a pixel
    psf : nested tuple of floats (K, K), a measured point-spread function; None for Gaussians of the widths given
    strength : tuple of (noise, strength)
        Table of `inversion.interpolate_strength`.
    """

    side: int
    source_side: int
    pixel_scale: float
    source_field: float
    operator_error: float
    psf: tuple | None = None
    strength: tuple = FIRST_STRENGTHS


def build_network(
    kind: str, camera: Camera, seed: int, steps: int = 4, takes_strength: bool = False, stride: int = 2
) -> keras.Model:
    """Build an untrained network that reconstructs sources.

    Parameters
    ----------
    kind : {"rim", "unet", "magnet", "none"}
    camera : Camera
    seed : int
    steps : int, corrections of ``rim`` and ``magnet``
    takes_strength : bool
        Whether the strength of the regularisation is an input ``strength`` (B, 1), instead of ``camera.strength``.
    stride : {1, 2, 4}, of ``magnet``

    Returns
    -------
    keras.Model
        Inputs: ``image`` (B, H, H), in units in which the source's peak is about 1; ``lens`` (B, 7),
        `LENS_COLUMNS`; ``noise`` (B, H, H), standard deviation of each pixel, infinite where it is masked;
        ``psf_fwhm`` (B, 1), arcsec.
        Output: (B, 4 + steps, S, S): `INVERSIONS`, the estimate after each step, the logarithm of the variance of the
        last one.
    """
    side = camera.side
    inputs = [
        keras.Input((side, side), name="image"),
        keras.Input((len(LENS_COLUMNS),), name="lens"),
        keras.Input((side, side), name="noise"),
        keras.Input((1,), name="psf_fwhm"),
    ]
    if takes_strength:
        inputs.append(keras.Input((1,), name="strength"))
    number = {"none": 0, "unet": 1, "rim": steps, "magnet": steps}[kind]
    reconstruct = Reconstruction(kind, number, asdict(camera), seed, stride, name="reconstruction")
    return keras.Model(inputs, reconstruct(inputs), name=kind)


def build_imager(camera: Camera) -> keras.Model:
    """Build a model of the forward operator, to compare reconstructed sources with images.

    Returns
    -------
    keras.Model
        Inputs: ``lens``, ``noise`` and ``psf_fwhm`` as in `build_network`, and ``source`` (B, S, S).
        Outputs: the image of the source, (B, H, H), 0 where pixels are masked; and the standard deviation of each
        pixel, the operator's error included, (B, H, H).
    """
    reconstruction = Reconstruction("none", 0, asdict(camera))

    class Imaging(keras.layers.Layer):
        def call(self, inputs):
            lens, noise, psf_fwhm, source = inputs
            operator, deviation, is_seen = reconstruction.prepare(lens, noise, psf_fwhm)
            return operator.forward(source), ops.where(is_seen > 0, deviation, np.inf)

    side, source_side = (camera.side,) * 2, (camera.source_side,) * 2
    inputs = [
        keras.Input((len(LENS_COLUMNS),), name="lens"),
        keras.Input(side, name="noise"),
        keras.Input((1,), name="psf_fwhm"),
        keras.Input(source_side, name="source"),
    ]
    return keras.Model(inputs, Imaging()(inputs))


@keras.saving.register_keras_serializable("stronglens")
class Reconstruction(keras.layers.Layer):
    """Reconstruct sources from images, lenses, noise and widths of the point-spread function (see `build_network`).

    Parameters
    ----------
    kind : {"rim", "unet", "magnet", "none"}
    steps : int, learned corrections
    camera : dict, the fields of `Camera`
    seed : int, of the initial weights
    stride : int, of ``magnet``
    """

    def __init__(self, kind: str, steps: int, camera: dict, seed: int = 0, stride: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.kind, self.steps, self.seed, self.stride, self.settings = kind, steps, seed, stride, camera
        self.camera = Camera(**camera)
        self.rays = pixel_rays(self.camera.side, self.camera.pixel_scale)
        self.blur = None
        if self.camera.psf is not None:
            self.blur = separate_psf(np.asarray(self.camera.psf), self.camera.side)
        if kind == "magnet":
            self.cell = MagnetCell(stride, seed, name="cell")
        else:
            self.cell = Cell(MEMORY if kind == "rim" else 0, seed, name="cell") if steps else None

    def build(self, input_shapes):
        """Build the cell."""
        if self.cell is not None:
            side = self.camera.source_side
            self.cell.build([(None, side, side, 6), (None, side // 2, side // 2, MEMORY)])
        self.built = True

    def call(self, inputs: list[Any]) -> Any:
        """Return inversions, estimates and log variance: (B, 4 + steps, S, S)."""
        image, lens, noise, psf_fwhm, *given = inputs
        operator, deviation, is_seen = self.prepare(lens, noise, psf_fwhm)
        image = ops.where(is_seen > 0, image, 0.0)
        weight = is_seen / deviation**2
        typical = self.typical_noise(noise, is_seen)
        strength = given[0][..., None] if given else interpolate_strength(typical, self.camera.strength)
        smooth = invert(operator, image, deviation, strength)
        start = ops.stop_gradient(project(operator, image, deviation, strength, smooth))
        seen_by = operator.adjoint(is_seen)
        projected = operator.adjoint(image) / (seen_by + 0.1)
        estimates = [projected, smooth, start]
        log_variance = ops.zeros_like(start) + FIRST_LOG_VARIANCE
        if self.kind == "magnet":
            estimates += self.cell.reconstruct(operator, image, weight, self.steps)
        elif self.steps:
            coverage = ops.stop_gradient(operator.adjoint(weight * ops.ones_like(image)))
            first, second = PRECONDITION
            scale = 1 / (first * coverage + second * strength)
            data = operator.adjoint(weight * image)
            maps = [
                ops.log(seen_by + 0.1),
                ops.broadcast_to(ops.log(typical) / np.log(10) + 2, ops.shape(start)),
                ops.broadcast_to(5 * psf_fwhm[..., None], ops.shape(start)),
            ]
            side = self.camera.source_side // 2
            memory = ops.zeros((ops.shape(image)[0], side, side, MEMORY))
            for _ in range(self.steps):
                estimate = estimates[-1]
                gradient = scale * (
                    data - operator.adjoint(weight * operator.forward(estimate)) - strength * curvature(estimate)
                )
                seen = ops.stack([2 * estimate, 5 * gradient, estimate - start, *maps], axis=-1)
                correction, variance, memory = self.cell([seen, memory])
                moved = estimate + GRADIENT_STEP * gradient if self.kind == "rim" else estimate
                estimates.append(moved + CORRECTION * correction)
                log_variance = FIRST_LOG_VARIANCE + variance
        return ops.stack([*estimates, log_variance], axis=1)

    def prepare(self, lens: Any, noise: Any, psf_fwhm: Any) -> tuple[Operator, Any, Any]:
        """Return the operator, the deviation of each pixel with the operator's error, and 1 where a pixel is seen."""
        camera = self.camera
        is_seen = ops.cast(noise < 1e6, noise.dtype)
        deviation = ops.sqrt(ops.where(is_seen > 0, noise, 1.0) ** 2 + camera.operator_error**2)
        traced = trace_rays(lens, ops.convert_to_tensor(self.rays))
        blur = self.blur
        if blur is None:
            blur = (gaussian_blur(camera.side, camera.pixel_scale, psf_fwhm[:, 0]),) * 2
        operator = Operator(traced, camera.source_side, camera.source_field, *blur, is_seen)
        return operator, deviation, is_seen

    def typical_noise(self, noise: Any, is_seen: Any) -> Any:
        """Return the root mean square of the noise where pixels are seen, with the operator's error: (B, 1, 1)."""
        squared = ops.where(is_seen > 0, noise, 0.0) ** 2
        mean = ops.sum(squared, axis=(1, 2), keepdims=True) / ops.maximum(
            ops.sum(is_seen, axis=(1, 2), keepdims=True), 1
        )
        return ops.sqrt(mean + self.camera.operator_error**2)

    def get_config(self) -> dict:
        """Return the arguments, for saving."""
        return super().get_config() | {
            "kind": self.kind, "steps": self.steps, "camera": self.settings, "seed": self.seed, "stride": self.stride
        }  # fmt: skip


@keras.saving.register_keras_serializable("stronglens")
class Cell(keras.layers.Layer):
    """Correct an estimate: a U-Net at half its resolution, with a gated memory where there is one.

    Parameters
    ----------
    memory : int, channels of the memory; 0: none
    seed : int
    """

    def __init__(self, memory: int, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.memory, self.seed = memory, seed

        def convolution(order, channels, size=3, activation="relu", stride=1, scale=2.0, kind=keras.layers.Conv2D):
            start = keras.initializers.VarianceScaling(scale, seed=seed + order)
            return kind(
                channels, size, strides=stride, padding="same", activation=activation, kernel_initializer=start,
                data_format="channels_last", name=f"convolution_{order}",
            )  # fmt: skip

        self.enter = convolution(0, CHANNELS)
        self.widen = convolution(1, CHANNELS)
        self.down = convolution(2, CHANNELS, stride=2)
        self.deep = convolution(3, CHANNELS)
        self.up = convolution(4, CHANNELS, 2, stride=2, kind=keras.layers.Conv2DTranspose)
        self.join = convolution(5, CHANNELS)
        self.gate = convolution(6, 2 * memory, activation=None, scale=1.0) if memory else None
        self.leave = convolution(7, 4, activation=None, scale=1e-6)
        self.spread = convolution(8, CHANNELS // 2)
        self.variance = convolution(9, 4, activation=None, scale=1e-6)

    def build(self, input_shapes):
        """Build the convolutions, for a source of S pixels."""
        batch, side, _, features = input_shapes[0]
        half, quarter = side // 2, side // 4
        self.enter.build((batch, half, half, 4 * features))
        wide = (batch, half, half, CHANNELS)
        for layer in (self.widen, self.down):
            layer.build(wide)
        for layer in (self.deep, self.up):
            layer.build((batch, quarter, quarter, CHANNELS))
        self.join.build((batch, half, half, 2 * CHANNELS))
        if self.gate is not None:
            self.gate.build((batch, half, half, CHANNELS + self.memory))
        left = (batch, half, half, CHANNELS + self.memory)
        self.leave.build(left)
        self.spread.build(left)
        self.variance.build((batch, half, half, CHANNELS // 2))
        self.built = True

    def call(self, inputs: list[Any]) -> tuple[Any, Any, Any]:
        """Return a correction and a log variance (B, S, S), and the memory (B, S / 2, S / 2, M)."""
        seen, memory = inputs
        wide = self.widen(self.enter(to_depth(seen)))
        deep = self.up(self.deep(self.down(wide)))
        features = self.join(ops.concatenate([wide, deep], axis=-1))
        if self.gate is not None:
            gate, candidate = ops.split(self.gate(ops.concatenate([features, memory], axis=-1)), 2, axis=-1)
            gate = ops.sigmoid(gate)
            memory = (1 - gate) * memory + gate * ops.tanh(candidate)
            features = ops.concatenate([features, memory], axis=-1)
        correction = from_depth(self.leave(features))
        # The likelihood that trains the variance must not move what corrects the mean.
        variance = from_depth(self.variance(self.spread(ops.stop_gradient(features))))
        return correction, variance, memory

    def get_config(self) -> dict:
        """Return the arguments, for saving."""
        return super().get_config() | {"memory": self.memory, "seed": self.seed}


def to_depth(image: Any) -> Any:
    """Return blocks of 2 x 2 pixels as channels: (B, S, S, C) -> (B, S / 2, S / 2, 4 C)."""
    half, channels = image.shape[1] // 2, image.shape[-1]
    blocks = ops.reshape(image, (-1, half, 2, half, 2, channels))
    return ops.reshape(ops.transpose(blocks, (0, 1, 3, 2, 4, 5)), (-1, half, half, 4 * channels))


def from_depth(blocks: Any) -> Any:
    """Return channels as blocks of 2 x 2 pixels: (B, S / 2, S / 2, 4) -> (B, S, S)."""
    half = blocks.shape[1]
    image = ops.transpose(ops.reshape(blocks, (-1, half, half, 2, 2)), (0, 1, 3, 2, 4))
    return ops.reshape(image, (-1, 2 * half, 2 * half))


def reconstruction_loss(truth: Any, output: Any) -> Any:
    """Return the loss: the squared error of each step, later ones weighing more, and a likelihood.

    The likelihood trains the variance alone. It is Student's t with 4 degrees of freedom. The gradient of a Gaussian
    grows with the square of an error over its variance: a few pixels with a small variance dominated the training.

    Parameters
    ----------
    truth : tensor (B, S, S)
    output : tensor (B, 4 + T, S, S), see `build_network`

    Returns
    -------
    tensor (B,)
        sum_t w_t <(s_t - s)^2> / 0.02^2 + <ln v + (n + 1) ln(1 + (s_T - s)^2 / (n v))> / 2, with w_t = t / sum_t t
        and n = 4; the second term is differentiated with respect to v alone.
    """
    estimates, log_variance = output[:, len(INVERSIONS) : -1], output[:, -1]
    squares = ops.mean((estimates - truth[:, None]) ** 2, axis=(2, 3))
    weights = np.arange(1, estimates.shape[1] + 1, dtype=np.float32)
    error = ops.stop_gradient(estimates[:, -1] - truth)
    tails = (FREEDOM + 1) * ops.log1p(error**2 * ops.exp(-log_variance) / FREEDOM)
    likelihood = ops.mean(log_variance + tails, axis=(1, 2)) / 2
    return ops.sum(weights / weights.sum() * squares, axis=1) / 0.02**2 + likelihood


def camera_of(network: keras.Model) -> Camera:
    """Return the camera of a network that `build_network` has built."""
    return next(layer.camera for layer in network.layers if hasattr(layer, "camera"))


def compile_shared(network: keras.Model) -> keras.Model:
    """Return a model with the layers of a network that XLA compiles, which is several times faster on a CPU.

    The network itself stays uncompiled: Keras would save it with an optimizer.
    """
    compiled = keras.Model(network.inputs, network.outputs)
    compiled.compile(jit_compile=True)
    return compiled
