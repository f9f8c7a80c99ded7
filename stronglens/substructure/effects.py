"""Effect of substructure on images, and the part of it that is not degenerate with the smooth lens and the source.

A matched filter detects a known signal s in an image with Gaussian noise of variance v at a signal-to-noise ratio d,
d^2 = sum s^2 / v. If lens and source are unknown, the part of s that small changes of their parameters can reproduce is
projected out (least squares on the derivatives of the image): the remaining d is that of an analysis that fits the
smooth lens. The projection is linear; d is too high if s is not small.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stronglens.sampling import Draws
from stronglens.simulation.chunks import simulator_of
from stronglens.substructure.simulator import make_simulator

STEPS = {
    "einstein_radius_sie": 0.005,
    "lens_ellip_x": 0.005,
    "lens_ellip_y": 0.005,
    "lens_center_x": 0.005,
    "lens_center_y": 0.005,
    "shear_1": 0.003,
    "shear_2": 0.003,
    "src_center_x": 0.005,
    "src_center_y": 0.005,
    "src_ellip_x": 0.01,
    "src_ellip_y": 0.01,
    "src_effect": 0.005,
    "src_sersic": 0.02,
    "src_intensity": 0.01,
}
"""Steps of the central differences for derivatives, about the precision of a fit to an image, unit of each parameter.
Those of radii and intensities are relative."""

LENS_LIGHT_STEPS = {"lens_intensity": 0.01, "lens_effect": 0.01, "lens_sersic": 0.02}


@dataclass(frozen=True)
class Effects:
    """Effects of the substructure on images.

    Attributes
    ----------
    effect : ndarray (N, H, W) float32, electrons/s
        Image minus image of the smooth lens, without noise.
    deviation : ndarray (N, H, W) float32, electrons/s
        Standard deviation of the noise in the smooth image; for images without noise, the peak of the image.
    known, refitted : ndarray (N,) float64
        Signal-to-noise ratio of a matched filter for known lens and source, and after refitting them; NaN for images
        without noise.
    """

    effect: np.ndarray
    deviation: np.ndarray
    known: np.ndarray
    refitted: np.ndarray


@dataclass(frozen=True)
class EffectMeasurement:
    """Measure the effects of substructure; called in the process that simulates.

    Attributes
    ----------
    parameters : SubstructureSimulation
    """

    parameters: Any

    def __call__(self, piece: tuple[Sequence[int], Draws]) -> Effects:
        """Simulate images with and without their substructure, without noise.

        Parameters
        ----------
        piece : (indices, draws)
            N ints, at most a chunk; dict of str to ndarray (N,), their rows of ``labels.csv``.
        """
        from stronglens import telescope

        indices, draws = piece
        simulator = simulator_of(make_simulator, self.parameters)
        camera = simulator.telescope
        smooth = simulator.smooth_scene(draws)
        rate = simulator.noiseless(simulator.physical_scene(draws), simulator.perturbers(draws, indices))
        smooth_rate = simulator.noiseless(smooth)
        effect = rate - smooth_rate
        if not simulator.is_noisy:
            peak = np.broadcast_to(rate.max(axis=(1, 2), keepdims=True), rate.shape)
            nothing = np.full(len(indices), np.nan)
            return Effects(effect, peak, nothing, nothing)
        noise = draws.get("exposure-time"), draws.get("peak-noise")
        deviation = np.sqrt(telescope.noise_variance(smooth_rate, camera, *noise))
        weighted = (effect / deviation).reshape(len(indices), -1).astype(float)
        slopes = self._differentiate(simulator, smooth, len(indices)) / deviation[:, None]
        refitted = [
            np.linalg.norm(signal - basis.T @ np.linalg.lstsq(basis.T, signal)[0])
            for signal, basis in zip(weighted, slopes.reshape(len(indices), slopes.shape[1], -1), strict=True)
        ]
        return Effects(effect, deviation.astype(np.float32), np.linalg.norm(weighted, axis=1), np.array(refitted))

    def _differentiate(self, simulator, smooth: Draws, number: int) -> np.ndarray:
        """Return normalised derivatives of the smooth images, (N, P, H, W), for the P parameters of lens and source."""
        steps = STEPS | (LENS_LIGHT_STEPS if self.parameters.lens_light == "on" else {})
        slopes = np.empty((number, len(steps), *simulator.shape))
        for place, (name, step) in enumerate(steps.items()):
            if name.endswith(("intensity", "effect")):
                step = step * smooth[name]
            sides = [simulator.noiseless(smooth | {name: smooth[name] + sign * step}) for sign in (1, -1)]
            slopes[:, place] = (sides[0] - sides[1]) / np.reshape(2 * step, (-1, 1, 1))
        # Equal norms, so that least squares does not treat any parameter as negligible.
        length = np.linalg.norm(slopes, axis=(2, 3), keepdims=True)
        return slopes / np.where(length > 0, length, 1)
