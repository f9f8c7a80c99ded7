"""A posterior of one isothermal lens to an image of it by our own simulator, beside the image that was measured.

The image does not depend on redshifts once its brightness is free: the intensities of source and lens light, and a
constant background, are fitted to the data (linear least squares, no light below zero). The shapes are the posterior's;
what a network has not learned of the shape of the lens's light is fitted to the data as well.
"""

import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares, nnls
from scipy.special import ellipk

from stronglens import telescope
from stronglens.parameters import RunError, ranges
from stronglens.regression.simulator import make_simulator
from stronglens.simulation.chunks import simulator_of
from stronglens.simulation.columns import LARGEST_ELLIPTICITY

CANDIDATES = 127
"""Samples of the posterior that are rendered beside its mean: together a chunk."""

WITHOUT_TRACE = {
    "lens-redshift", "src-redshift", "velocity-dispersion", "snr-wanted", "exposure-time", "peak-noise",
    "lens-intensity", "src-intensity", "lens-magnitude", "src-magnitude",
}  # fmt: skip
"""Drawn columns on which the shape of an isothermal lens's image does not depend, its Einstein radius given."""

OF_LENS_LIGHT = ("lens-effect", "lens-sersic", "light-ellip")
"""How the columns begin that mean nothing where lenses do not shine."""

SHOWN_BY_LIGHT = (
    "lens-center-x", "lens-center-y", "lens-effect", "lens-sersic", "light-ellip-offset-x", "light-ellip-offset-y",
)  # fmt: skip
"""Drawn columns that are fitted to the image where they were not learned. The centre is that of the mass, too."""

STEP = 2e-3
"""Of a fitted column's range, for a derivative."""

TOLERANCE, MOST_STEPS = 1e-5, 40
"""Of the fit, in its sum of squares and in its columns: images are rendered in 32 bits."""

DIRECTIONS = 181
"""Points of a critical curve, the first of them twice."""


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
    parameters : SimulationParameters, those of the training set
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
    work = LensModelling(make_simulator, parameters, tuple(labels))
    return executor.submit(work, (np.asarray(samples, float), np.asarray(image, float), noise, is_judged)).result()


def columns_of_shape(parameters, labels: Sequence[str]) -> dict[str, float | None]:
    """Return what the shape of an image depends on: columns, each with its value where the training set fixes it.

    Those that are neither fixed nor learned are to be fitted to the image: see `columns_to_fit`.

    Parameters
    ----------
    parameters : SimulationParameters
    labels : sequence of str, what the network learned

    Raises
    ------
    RunError
        When something is neither learned nor fixed nor shown by the lens's light, or the lens is not isothermal.
    """
    if parameters.lens_model != "sie":
        raise RunError(
            f"no model image: the network learned from lenses --lens-model={parameters.lens_model}, "
            "of which no set of labels is a whole model; train it on --lens-model=sie"
        )
    drawn = {name: held for name, held in ranges(parameters).items() if name not in WITHOUT_TRACE}
    if parameters.lens_light == "off":
        drawn = {name: held for name, held in drawn.items() if not name.startswith(OF_LENS_LIGHT)}
    needed = {"einstein-radius-sie": None} | {
        name: held.low if held.is_fixed and name not in labels else None for name, held in drawn.items()
    }
    radius = drawn.get("einstein-radius-sie")
    if radius is not None and radius.is_fixed:
        needed["einstein-radius-sie"] = radius.low
    for axis in "xy":  # light of its own ellipticity is that of the mass and what is drawn
        if (offset := f"light-ellip-offset-{axis}") in needed and f"light-ellip-{axis}" in labels:
            del needed[offset]
            needed[f"light-ellip-{axis}"] = None
    missing = [name for name, value in needed.items() if value is None and name not in labels]
    if "einstein-radius-sie" in missing and "einstein-radius" in labels:
        missing.remove("einstein-radius-sie")  # follows from the circle's and the ellipticity
    if parameters.lens_light == "on":
        missing = [name for name in missing if name not in SHOWN_BY_LIGHT]
    if missing:
        raise RunError(
            f"no model image: the network would have to learn {', '.join(map(_label_for, missing))} too (--labels), or "
            "its training set to fix them"
        )
    return needed


def columns_to_fit(parameters, labels: Sequence[str]) -> list[str]:
    """Return those columns of an image's shape that its lens's light alone has to tell.

    Parameters and errors are those of `columns_of_shape`.
    """
    needed = columns_of_shape(parameters, labels)
    return [name for name in SHOWN_BY_LIGHT if name not in labels and needed.get(name, 0.0) is None]


def _label_for(column: str) -> str:
    """Return the label to learn for a column: the light's ellipticity itself, not what it differs by."""
    return column.replace("light-ellip-offset", "light-ellip")


def shape_values(parameters, labels: Sequence[str], samples: np.ndarray) -> dict[str, np.ndarray]:
    """Return samples of what is known of an image's shape, without `columns_to_fit`: dict of column to (S,).

    Parameters
    ----------
    parameters : SimulationParameters
    labels : sequence of L str
    samples : (S, L), in the labels' units

    Raises
    ------
    RunError
        As `columns_of_shape`.
    """
    learned = dict(zip(labels, np.asarray(samples, float).T, strict=True))
    values = {}
    for name, fixed in columns_of_shape(parameters, labels).items():
        if name in learned:
            values[name] = learned[name]
        elif fixed is not None:
            values[name] = np.full(len(samples), fixed)
    if "einstein-radius-sie" not in values:
        ellipticity = np.hypot(values["lens-ellip-x"], values["lens-ellip-y"])
        values["einstein-radius-sie"] = intermediate_axis_radius(learned["einstein-radius"], ellipticity)
    return values


def add_light(values: Mapping[str, np.ndarray], fitted: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Add what was fitted to samples of a shape, and let the light be as elliptical as it is beside the mass.

    Parameters
    ----------
    values : dict of column to (S,), as `shape_values` returns it
    fitted : dict of column to value or (S,): `columns_to_fit`, or the light's ellipticity in place of an offset
    """
    number = len(values["einstein-radius-sie"])
    values = dict(values) | {name: np.broadcast_to(value, number) for name, value in fitted.items()}
    has_own_light = any(name.startswith("light-ellip") for name in values)
    for axis in "xy":
        offset = values.pop(f"light-ellip-offset-{axis}", 0.0)  # an axis that is not drawn differs by nothing
        if has_own_light and f"light-ellip-{axis}" not in values:
            values[f"light-ellip-{axis}"] = values[f"lens-ellip-{axis}"] + offset
    return values


def intermediate_axis_radius(circular, ellipticity):
    """Return an isothermal ellipsoid's Einstein radius on the intermediate axis, sqrt(ab).

    It is the radius of the circle with mean convergence 1 over (2 / pi) sqrt(q) K(1 - q^2), K the complete elliptic
    integral of parameter m.

    Parameters
    ----------
    circular : array_like, arcsec
    ellipticity : array_like, (1 - q) / (1 + q)
    """
    ellipticity = np.minimum(ellipticity, LARGEST_ELLIPTICITY)
    q = (1 - ellipticity) / (1 + ellipticity)
    return circular / ((2 / np.pi) * np.sqrt(q) * ellipk(1 - q**2))


def critical_curve(values: dict[str, float]) -> np.ndarray:
    """Return the tangential critical curve of an isothermal ellipsoid in an external shear.

    An isothermal ellipsoid shears by -kappa exp(2i phi) (Kormann, Schneider & Bartelmann 1994, A&A 284, 285), so that
    det A = 1 - 2 kappa (1 - Re(g exp(-2i phi))) - |g|^2 vanishes where kappa = theta_E / (2 rho r), rho being the
    elliptical radius in direction phi, is (1 - |g|^2) / (2 (1 - Re(g exp(-2i phi)))).

    Parameters
    ----------
    values : dict of column to float

    Returns
    -------
    (D, 2) x and y, arcsec
    """
    phi = np.linspace(0, 2 * np.pi, DIRECTIONS)
    e_x, e_y = values["lens-ellip-x"], values["lens-ellip-y"]
    squared = e_x**2 + e_y**2
    rho = np.sqrt((1 + squared - 2 * (e_x * np.cos(2 * phi) + e_y * np.sin(2 * phi))) / (1 - squared))
    along = values["shear-1"] * np.cos(2 * phi) + values["shear-2"] * np.sin(2 * phi)
    total = values["shear-1"] ** 2 + values["shear-2"] ** 2
    radius = values["einstein-radius-sie"] * (1 - along) / (rho * (1 - total))
    centre = values["lens-center-x"], values["lens-center-y"]
    return np.stack([centre[0] + radius * np.cos(phi), centre[1] + radius * np.sin(phi)], axis=1)


def keep_inside(values: dict[str, np.ndarray], held) -> dict[str, np.ndarray]:
    """Return values moved to where the training set has lenses: a mean or a Gaussian's tail may lie beyond.

    Parameters
    ----------
    values : dict of column to (S,)
    held : dict of column to Range, those drawn
    """
    inside = {
        name: np.clip(column, held[name].low, held[name].high) if name in held else column
        for name, column in values.items()
    }
    inside["einstein-radius-sie"] = np.maximum(inside["einstein-radius-sie"], 1e-3)
    for x in [name for name in inside if name.endswith("-ellip-x")]:
        y = f"{x[:-1]}y"
        ellipticity = np.hypot(inside[x], inside[y])
        shrink = np.minimum(1, LARGEST_ELLIPTICITY / np.maximum(ellipticity, 1e-9))
        inside |= {x: inside[x] * shrink, y: inside[y] * shrink}
    return inside


def scene_of(simulator, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the ray tracer's scene of the values that a shape depends on; its intensities are to be replaced.

    Parameters
    ----------
    simulator : LensSimulator
    values : dict of column to (S,)
    """
    ones = np.ones(len(values["einstein-radius-sie"]))
    # Of no consequence: redshifts where the Einstein radius is given, the light of a lens that does not shine.
    free = dict.fromkeys(("src-intensity", "lens-intensity", "lens-effect", "lens-sersic"), ones)
    return simulator.physical_scene(free | {"lens-redshift": ones, "src-redshift": 2 * ones} | values)


@dataclass(frozen=True)
class LensModelling:
    """Render a posterior and fit its brightness: called in the process that simulates, returns a `LensModel`.

    Attributes
    ----------
    make : callable, makes the task's simulator
    parameters : SimulationParameters
    labels : tuple of L str
    """

    make: Any
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
        simulator = simulator_of(self.make, self.parameters)
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
        fitted = {name: float(at_best[name][0]) for name in map(_label_for, names)}
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
