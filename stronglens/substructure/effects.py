"""What substructure does to images, and how much of it a change of the smooth lens could undo.

A matched filter that knows the effect s of the substructure on an image with Gaussian noise of variance v tells it
from none at a signal-to-noise d, d^2 = sum s^2 / v. Where lens and source are not known either, what a small change of
theirs could do is taken out of s first (least squares on the derivatives of the image): the d that is left is what an
analysis that fits the smooth lens can have. It is linearised, and too high where s is far from small.
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
"""Half the difference at which derivatives are taken: of the order of what an image tells, in the unit of each."""

LENS_LIGHT_STEPS = {"lens_intensity": 0.01, "lens_effect": 0.01, "lens_sersic": 0.02}


@dataclass(frozen=True)
class Effects:
    """What the substructure of some lenses does to their images.

    Attributes
    ----------
    effect : (N, H, W) float32, e-/s; image minus that of the smooth lens, without noise
    deviation : (N, H, W) float32, e-/s
        Standard deviation of the smooth image's noise; where there is none, the peak of the image.
    known, refitted : (N,) float64
        Signal-to-noise of a matched filter, where all else is known, and after refitting lens and source; NaN where
        there is no noise.
    """

    effect: np.ndarray
    deviation: np.ndarray
    known: np.ndarray
    refitted: np.ndarray


@dataclass(frozen=True)
class EffectMeasurement:
    """Measure effects: called with the indices of at most a chunk of images, and with what was drawn for them.

    Attributes
    ----------
    parameters : SubstructureSimulation
    """

    parameters: Any

    def __call__(self, piece: tuple[Sequence[int], Draws]) -> Effects:
        """Simulate the images and their smooth twins anew, without noise.

        Parameters
        ----------
        piece : (indices, draws)
            (N,) ints; dict of column to (N,), their rows of ``labels.csv``.
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
        """Return how the smooth images change with each quantity of lens and source: (N, P, H, W)."""
        steps = STEPS | (LENS_LIGHT_STEPS if self.parameters.lens_light == "on" else {})
        slopes = np.empty((number, len(steps), *simulator.shape))
        for place, (name, step) in enumerate(steps.items()):
            if name.endswith(("intensity", "effect")):
                step = step * smooth[name]
            sides = [simulator.noiseless(smooth | {name: smooth[name] + sign * step}) for sign in (1, -1)]
            slopes[:, place] = (sides[0] - sides[1]) / np.reshape(2 * step, (-1, 1, 1))
        # Of equal length, so that least squares sees no quantity as nothing.
        length = np.linalg.norm(slopes, axis=(2, 3), keepdims=True)
        return slopes / np.where(length > 0, length, 1)
