"""Render a posterior of one elliptical lens with the simulator, and compare it with the measured image.

The shapes of mass and source are those of the posterior. The intensities of source and lens light (not negative) and a
constant background are fitted to the data by linear least squares. If a network has not learned the whole shape of the
lens light, the rest of it is fitted to the data as well.
"""

import functools
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares, nnls

from stronglens.parameters import RunError
from stronglens.regression.lens_shape import (
    add_light,
    columns_of_shape,
    columns_to_fit,
    critical_curve,
    keep_inside,
    label_for,
    render_templates,
    shape_values,
)
from stronglens.regression.simulator import make_simulator
from stronglens.simulation.chunks import simulator_of

CANDIDATES = 127
"""Number of posterior samples that are rendered with the mean: together they are one chunk."""

STEP = 2e-3
"""Step of the numerical derivatives, in units of the range of a fitted column."""

TOLERANCE, MAX_STEPS = 1e-5, 40
"""Relative tolerance of the fit, in its sum of squares and in its columns (images have 32 bits), and its largest
number of steps."""


@dataclass(frozen=True)
class LensModel:
    """Model image at a posterior's mean, with brightnesses fitted to an image.

    Attributes
    ----------
    values : dict of str to float
        Columns that determine the model's shape; lengths in arcsec.
    source, lens : ndarray (H, W) float64, e-/s
        Light of the lensed source and of the lens, convolved with the point-spread function.
    background : float, e-/s per pixel
    src_intensity, lens_intensity : float, e-/s per pixel of this image
        Intensity at the effective radius.
    residual : ndarray (H, W) float64
        (Image - model) / noise; NaN in pixels that are not used.
    chi2 : float
        Reduced chi-square: sum of the squared residual over the number of pixels less fitted brightnesses.
    best_chi2 : float
        The smallest among ``candidates`` samples.
    candidates : int
    fitted : dict of str to float
        Those of ``values`` that were fitted to the image.
    critical_curve : ndarray (D, 2), arcsec
        Points (x, y) of infinite magnification in the image plane.
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
        """Sum of source, lens and background: ndarray (H, W), e-/s."""
        return self.source + self.lens + self.background


def model_lens(
    parameters, labels: Sequence[str], samples: np.ndarray, image: np.ndarray, noise, mask, executor: Executor
) -> LensModel:
    """Render the lens at its posterior's mean and at some samples, and compare it with its image.

    Parameters
    ----------
    parameters : RegressionSimulation
        Of the training set.
    labels : sequence of L str
    samples : ndarray (S, L)
        In the labels' units.
    image : ndarray (H, W), e-/s
        Input of the network.
    noise : ndarray (H, W) or float, e-/s
        Standard deviation.
    mask : ndarray (H, W) bool or None
        True for pixels that are not used.
    executor : concurrent.futures.Executor
        Renders in another process: importing PyAutoLens would change the JAX of a process that trains or predicts.

    Raises
    ------
    RunError
        If the network has not learned the labels that an image needs, or too few pixels can be used.
    """
    columns_of_shape(parameters, labels)  # refuses before a process starts
    noise = np.broadcast_to(np.asarray(noise, float), np.shape(image))
    is_used = np.isfinite(image) & np.isfinite(noise) & (noise > 0)
    if mask is not None:
        is_used &= ~np.asarray(mask, bool)
    if np.count_nonzero(is_used) < 10:
        raise RunError("no model image: fewer than ten pixels are unmasked and have a noise")
    work = LensModelling(parameters, tuple(labels))
    return executor.submit(work, (np.asarray(samples, float), np.asarray(image, float), noise, is_used)).result()


@dataclass(frozen=True)
class LensModelling:
    """Render a posterior and fit its brightness; called in the process that simulates.

    Attributes
    ----------
    parameters : RegressionSimulation
    labels : tuple of L str
    """

    parameters: Any
    labels: tuple[str, ...]

    def __call__(self, piece: tuple[np.ndarray, ...]) -> LensModel:
        """Return the `LensModel` at the mean of the samples.

        Parameters
        ----------
        piece : tuple
            samples (S, L) in the labels' units; image (H, W) and noise (H, W) in e-/s; used pixels, (H, W) bool

        Raises
        ------
        RunError
            If the network's images have another shape.
        """
        samples, image, noise, is_used = piece
        simulator = simulator_of(make_simulator, self.parameters)
        if simulator.shape != image.shape:
            raise RunError(f"no model image: the network's images have {simulator.shape} pixels, not {image.shape}")
        data = _Data(image, noise, is_used)
        known = shape_values(self.parameters, self.labels, samples)
        fitted, notes = self._fit_light(simulator, data, {name: column.mean() for name, column in known.items()})
        chosen = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), CANDIDATES)).astype(int))
        rendered = {name: np.append(column.mean(), column[chosen]) for name, column in known.items()}
        rendered = add_light(rendered, fitted)
        inside = keep_inside(rendered, simulator.ranges)
        moved = [name for name in inside if abs(inside[name][0] - rendered[name][0]) > 1e-9]
        notes += [
            f"the posterior's mean of {name} lies outside the training range and was moved to its edge"
            for name in moved
        ]
        if self.parameters.src_clumps:
            notes.append("the model source is smooth; clumps remain in the residual")
        templates = render_templates(simulator, inside)
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
        """Fit the shape of the lens light by least squares, with mass and source at the posterior's mean.

        Every step solves for the brightnesses (variable projection: Golub & Pereyra 1973, SIAM J. Numer. Anal. 10,
        413). Derivatives are finite differences; all images of a step are rendered together.

        Parameters
        ----------
        simulator : LensSimulator
        data : _Data
        mean : dict of str to float
            Columns of the posterior.

        Returns
        -------
        fitted : dict of str to float
        notes : list of str
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
            images = render_templates(simulator, shape(np.array([point, *(np.array(point) + np.diag(inward))])))
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
            max_nfev=MAX_STEPS,
        )
        notes = [] if found.success else [f"the fit of the lens light did not converge in {MAX_STEPS} steps"]
        is_at_edge = np.minimum(found.x - low, high - found.x) < STEP * (high - low)
        notes += [f"fitted to the edge of the training range: {name}" for name in np.array(names)[is_at_edge]]
        at_best = shape(found.x[None])
        # For an offset from the mass, the light's own ellipticity: the mass has another one in each sample.
        fitted = {name: float(at_best[name][0]) for name in map(label_for, names)}
        notes.insert(0, f"fitted to the image: {', '.join(f'{name} {value:.3g}' for name, value in fitted.items())}")
        return fitted, notes


@dataclass(frozen=True)
class _Data:
    """An image to be fitted.

    Attributes
    ----------
    image, noise : ndarray (H, W)
    is_used : ndarray (H, W) bool
        True for the P pixels that are used.
    """

    image: np.ndarray
    noise: np.ndarray
    is_used: np.ndarray

    def fit_brightness(self, *templates: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the brightness of each template and of the background, the residual, and the reduced chi-square.

        Parameters
        ----------
        templates : T of ndarray (H, W)

        Returns
        -------
        brightness : ndarray (T + 1,)
            Not negative, except for the last, the background.
        residual : ndarray (P,)
            (Image - model) / noise.
        chi2 : float
            Sum of the squared residual over P - T - 1.
        """
        weight = 1 / self.noise[self.is_used]
        basis = np.stack([template[self.is_used] for template in templates], axis=1) * weight[:, None]
        target = self.image[self.is_used] * weight
        # The background may be negative: templates are made orthogonal to it, and it is solved for last.
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
        """Return values of used pixels (P,) as an image (H, W), NaN elsewhere."""
        image = np.full(self.image.shape, np.nan)
        image[self.is_used] = values
        return image
