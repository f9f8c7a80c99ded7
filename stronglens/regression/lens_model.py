"""A posterior of one elliptical lens to an image of it by our own simulator, beside the image that was measured.

The intensities of source and lens light, and a constant background, are fitted to the data (linear least squares, no
light below zero). The shapes are the posterior's; what a network has not learned of the shape of the lens's light is
fitted to the data as well.
"""

import functools
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares, nnls

from stronglens import telescope
from stronglens.parameters import RunError
from stronglens.regression.lens_shape import (
    add_light,
    columns_of_shape,
    columns_to_fit,
    critical_curve,
    keep_inside,
    label_for,
    scene_of,
    shape_values,
)
from stronglens.regression.simulator import make_simulator
from stronglens.simulation.chunks import simulator_of

CANDIDATES = 127
"""Samples of the posterior that are rendered beside its mean: together a chunk."""

STEP = 2e-3
"""Of a fitted column's range, for a derivative."""

TOLERANCE, MOST_STEPS = 1e-5, 40
"""Of the fit, in its sum of squares and in its columns: images are rendered in 32 bits."""


@dataclass(frozen=True)
class LensModel:
    """The model at a posterior's mean, fitted in brightness to an image.

    Attributes
    ----------
    values : dict of column to float, all that the model's shape depends on; arcsec
    source, lens : (H, W) float64, e-/s, the lensed source's and the lens's light, blurred
    background : float, e-/s in a pixel
    src_intensity, lens_intensity : float, e-/s in a pixel of this image, at the effective radius
    residual : (H, W) float64, image minus model over noise; NaN where a pixel is not judged
    chi2 : float, of the residual, over pixels less fitted brightnesses
    best_chi2 : float, the smallest among ``candidates`` samples
    candidates : int
    fitted : dict of column to float, those of ``values`` that were fitted to the image
    critical_curve : (D, 2) x and y, arcsec, where a source at the caustic would be magnified without bound
    notes : tuple of str
    """

    values: dict[str, float]
    source: np.ndarray
    lens: np.ndarray
    background: float
    src_intensity: float
    lens_intensity: float
    residual: np.ndarray
    chi2: float
    best_chi2: float
    candidates: int
    fitted: dict[str, float]
    critical_curve: np.ndarray
    notes: tuple[str, ...]

    @property
    def image(self) -> np.ndarray:
        """The model's image: source, lens and background, (H, W) e-/s."""
        return self.source + self.lens + self.background


def model_lens(
    parameters, labels: Sequence[str], samples: np.ndarray, image: np.ndarray, noise, mask, executor: Executor
) -> LensModel:
    """Render the lens at its posterior's mean, and at some samples, and hold it against its image.

    Parameters
    ----------
    parameters : RegressionSimulation, those of the training set
    labels : sequence of L str
    samples : (S, L), in the labels' units
    image : (H, W), e-/s, as the network saw it
    noise : (H, W) or float, e-/s, standard deviation
    mask : (H, W) bool or None, pixels that are not judged
    executor : concurrent.futures.Executor
        Renders, in another process where this one trains or predicts: importing PyAutoLens changes its JAX.

    Raises
    ------
    RunError
        When the network has not learned what an image needs, or no pixel can be judged.
    """
    columns_of_shape(parameters, labels)  # refused here, before a process starts
    noise = np.broadcast_to(np.asarray(noise, float), np.shape(image))
    is_judged = np.isfinite(image) & np.isfinite(noise) & (noise > 0)
    if mask is not None:
        is_judged &= ~np.asarray(mask, bool)
    if np.count_nonzero(is_judged) < 10:
        raise RunError("no model image: fewer than ten pixels are neither masked nor without noise")
    work = LensModelling(parameters, tuple(labels))
    return executor.submit(work, (np.asarray(samples, float), np.asarray(image, float), noise, is_judged)).result()


@dataclass(frozen=True)
class LensModelling:
    """Render a posterior and fit its brightness: called in the process that simulates, returns a `LensModel`.

    Attributes
    ----------
    parameters : RegressionSimulation
    labels : tuple of L str
    """

    parameters: Any
    labels: tuple[str, ...]

    def __call__(self, piece: tuple[np.ndarray, ...]) -> LensModel:
        """Render the mean of the samples and some of them.

        Parameters
        ----------
        piece : tuple
            samples (S, L) in the labels' units, image (H, W) and noise (H, W) in e-/s, which pixels are judged (H, W)

        Raises
        ------
        RunError
            When the network's images have another shape.
        """
        samples, image, noise, is_judged = piece
        simulator = simulator_of(make_simulator, self.parameters)
        if simulator.shape != image.shape:
            raise RunError(f"no model image: the network's images have {simulator.shape} pixels, not {image.shape}")
        data = _Data(image, noise, is_judged)
        known = shape_values(self.parameters, self.labels, samples)
        fitted, notes = self._fit_light(simulator, data, {name: column.mean() for name, column in known.items()})
        chosen = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), CANDIDATES)).astype(int))
        rendered = {name: np.append(column.mean(), column[chosen]) for name, column in known.items()}
        rendered = add_light(rendered, fitted)
        inside = keep_inside(rendered, simulator.ranges)
        moved = [name for name in inside if abs(inside[name][0] - rendered[name][0]) > 1e-9]
        notes += [f"the posterior's mean of {name} lies outside the training set: moved to its edge" for name in moved]
        if self.parameters.src_clumps:
            notes.append("the model's source is smooth: what clumps it has stay in the residual")
        templates = self._render(simulator, inside)
        fits = [data.fit_brightness(*images) for images in templates]
        (of_source, *of_lens, background), residual, chi2 = fits[0]
        of_lens = of_lens[0] if of_lens else 0.0
        source, *lens = templates[0]
        at_mean = {name: float(column[0]) for name, column in inside.items()}
        return LensModel(
            values=at_mean,
            source=of_source * source,
            lens=of_lens * lens[0] if lens else np.zeros_like(source),
            background=float(background),
            src_intensity=float(of_source),
            lens_intensity=float(of_lens),
            residual=data.to_image(residual),
            chi2=float(chi2),
            best_chi2=float(min(chi2 for _, _, chi2 in fits[1:])),
            candidates=len(chosen),
            fitted=fitted,
            critical_curve=critical_curve(at_mean),
            notes=tuple(notes),
        )

    def _fit_light(self, simulator, data: "_Data", mean: dict[str, float]) -> tuple[dict[str, float], list[str]]:
        """Return what only the lens's light tells, by least squares with mass and source at the posterior's mean.

        Brightnesses are solved for at every step (variable projection: Golub & Pereyra 1973, SIAM J. Numer. Anal. 10,
        413), derivatives are differences, and a step's images are rendered together.

        Parameters
        ----------
        simulator : LensSimulator
        data : _Data
        mean : dict of column to value, of what is known

        Returns
        -------
        fitted : dict of column to value
        notes : list of str, what to know of the fit
        """
        names = columns_to_fit(self.parameters, self.labels)
        if not names:
            return {}, []
        low, high = (np.array([getattr(simulator.ranges[name], end) for name in names]) for end in ("low", "high"))
        step = STEP * (high - low)

        def shape(points: np.ndarray) -> dict[str, np.ndarray]:
            values = {name: np.full(len(points), value) for name, value in mean.items()}
            return keep_inside(add_light(values, dict(zip(names, points.T, strict=True))), simulator.ranges)

        @functools.cache
        def residual_and_derivatives(*point: float) -> tuple[np.ndarray, np.ndarray]:
            """Return the residual (P,) and its derivatives (P, F)."""
            inward = np.where(np.array(point) + step > high, -step, step)
            images = self._render(simulator, shape(np.array([point, *(np.array(point) + np.diag(inward))])))
            residual, *moved = (data.fit_brightness(*templates)[1] for templates in images)
            return residual, ((np.array(moved) - residual) / inward[:, None]).T

        found = least_squares(
            lambda point: residual_and_derivatives(*point)[0],
            (low + high) / 2,
            lambda point: residual_and_derivatives(*point)[1],
            bounds=(low, high),
            x_scale=high - low,
            ftol=TOLERANCE,
            xtol=TOLERANCE,
            max_nfev=MOST_STEPS,
        )
        notes = [] if found.success else [f"the fit of the lens's light was stopped after {MOST_STEPS} steps"]
        is_at_edge = np.minimum(found.x - low, high - found.x) < STEP * (high - low)
        notes += [f"fitted to the edge of the training set: {name}" for name in np.array(names)[is_at_edge]]
        at_best = shape(found.x[None])
        # Of an offset the light's own ellipticity, whatever that of the mass is in another sample.
        fitted = {name: float(at_best[name][0]) for name in map(label_for, names)}
        notes.insert(0, f"fitted to the image: {', '.join(f'{name} {value:.3g}' for name, value in fitted.items())}")
        return fitted, notes

    def _render(self, simulator, values: dict[str, np.ndarray]) -> list[tuple[np.ndarray, ...]]:
        """Return blurred images of each source, and where lenses shine of its lens: of intensity 1."""
        scene = scene_of(simulator, values)
        ones = np.ones(len(scene["src_effect"]))
        rendered = simulator.render(scene | {"src_intensity": ones, "lens_intensity": ones})
        blurred = [telescope.blur(images, simulator.telescope.psf) for images in rendered if images is not None]
        return list(zip(*(images.astype(float) for images in blurred), strict=True))


@dataclass(frozen=True)
class _Data:
    """An image to be fitted.

    Attributes
    ----------
    image, noise : (H, W)
    is_judged : (H, W) bool, for P pixels
    """

    image: np.ndarray
    noise: np.ndarray
    is_judged: np.ndarray

    def fit_brightness(self, *templates: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the brightness of each template and of the background, the residual, and the reduced chi-square.

        Parameters
        ----------
        templates : T of (H, W)

        Returns
        -------
        brightness : (T + 1,), not below 0 but for the background
        residual : (P,), image minus model over noise
        chi2 : float, over pixels less T + 1
        """
        weight = 1 / self.noise[self.is_judged]
        basis = np.stack([template[self.is_judged] for template in templates], axis=1) * weight[:, None]
        target = self.image[self.is_judged] * weight
        # The background, of either sign, is whatever is left along its direction: it is solved for last.
        flat = weight / np.linalg.norm(weight)
        across = basis - np.outer(flat, flat @ basis)
        length = np.linalg.norm(across, axis=0)
        length[length == 0] = 1
        found = nnls(across / length, target - flat * (flat @ target))[0] / length
        left = target - basis @ found
        background = (flat @ left) / np.linalg.norm(weight)
        residual = left - background * weight
        return np.append(found, background), residual, residual @ residual / max(len(weight) - len(found) - 1, 1)

    def to_image(self, values: np.ndarray) -> np.ndarray:
        """Return values of judged pixels (P,) as an image (H, W), NaN elsewhere."""
        image = np.full(self.image.shape, np.nan)
        image[self.is_judged] = values
        return image
