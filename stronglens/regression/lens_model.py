"""A posterior of one isothermal lens to an image of it by our own simulator, beside the image that was measured.

The image does not depend on redshifts once its brightness is free: the intensities of source and lens light, and a
constant background, are fitted to the data (linear least squares, no light below zero), the shapes are the posterior's.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls
from scipy.special import ellipk

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

    Parameters
    ----------
    parameters : SimulationParameters
    labels : sequence of str, what the network learned

    Raises
    ------
    RunError
        When something is neither learned nor fixed, or the lens is not isothermal.
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
    if missing:
        raise RunError(
            f"no model image: the network would have to learn {', '.join(map(_label_for, missing))} too (--labels), or "
            "its training set to fix them"
        )
    return needed


def _label_for(column: str) -> str:
    """Return the label to learn for a column: the light's ellipticity itself, not what it differs by."""
    return column.replace("light-ellip-offset", "light-ellip")


def shape_values(parameters, labels: Sequence[str], samples: np.ndarray) -> dict[str, np.ndarray]:
    """Return samples of all that the shape of an image depends on: dict of column to (S,).

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
    has_own_light = any(name.startswith("light-ellip") for name in values)
    for axis in "xy":
        if has_own_light and f"light-ellip-{axis}" not in values:  # an axis that is not drawn differs by nothing
            offset = values.pop(f"light-ellip-offset-{axis}", 0.0)
            values[f"light-ellip-{axis}"] = values[f"lens-ellip-{axis}"] + offset
    if "einstein-radius-sie" not in values:
        ellipticity = np.hypot(values["lens-ellip-x"], values["lens-ellip-y"])
        values["einstein-radius-sie"] = intermediate_axis_radius(learned["einstein-radius"], ellipticity)
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
        values = shape_values(self.parameters, self.labels, samples)
        chosen = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), CANDIDATES)).astype(int))
        rendered = {name: np.append(column.mean(), column[chosen]) for name, column in values.items()}
        inside = keep_inside(rendered, simulator.ranges)
        moved = [name for name in inside if abs(inside[name][0] - rendered[name][0]) > 1e-9]
        source, lens = self._render(simulator, inside)
        fits = [
            _fit_brightness(image, noise, is_judged, [one, other] if lens is not None else [one])
            for one, other in zip(source, source if lens is None else lens, strict=True)
        ]
        (of_source, *of_lens, background), chi2 = fits[0]
        of_lens = of_lens[0] if of_lens else 0.0
        model = of_source * source[0] + background + (0.0 if lens is None else of_lens * lens[0])
        at_mean = {name: float(column[0]) for name, column in inside.items()}
        notes = [f"the posterior's mean of {name} lies outside the training set: moved to its edge" for name in moved]
        return LensModel(
            values=at_mean,
            source=of_source * source[0],
            lens=np.zeros_like(source[0]) if lens is None else of_lens * lens[0],
            background=float(background),
            src_intensity=float(of_source),
            lens_intensity=float(of_lens),
            residual=np.where(is_judged, (image - model) / np.where(is_judged, noise, 1), np.nan),
            chi2=float(chi2),
            best_chi2=float(min(chi2 for _, chi2 in fits[1:])),
            candidates=len(chosen),
            critical_curve=critical_curve(at_mean),
            notes=tuple(notes),
        )

    def _render(self, simulator, values: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        """Return blurred images of sources and lenses of intensity 1; None where lenses do not shine."""
        scene = scene_of(simulator, values)
        dark, bright = np.zeros(len(scene["src_effect"])), np.ones(len(scene["src_effect"]))
        source = simulator.noiseless(scene | {"src_intensity": bright, "lens_intensity": dark}).astype(float)
        if self.parameters.lens_light == "off":
            return source, None
        return source, simulator.noiseless(scene | {"src_intensity": dark, "lens_intensity": bright}).astype(float)


def _fit_brightness(image, noise, is_judged, templates) -> tuple[np.ndarray, float]:
    """Return the brightness of each template and of the background, and the reduced chi-square of their sum.

    Parameters
    ----------
    image, noise : (H, W)
    is_judged : (H, W) bool
    templates : list of T (H, W)

    Returns
    -------
    brightness : (T + 1,), not below 0 but for the background
    chi2 : float, over pixels less T + 1
    """
    weight = 1 / noise[is_judged]
    flat = np.ones_like(weight)
    basis = np.stack([*(template[is_judged] for template in templates), flat, -flat], axis=1) * weight[:, None]
    length = np.linalg.norm(basis, axis=0)
    length[length == 0] = 1
    found, distance = nnls(basis / length, image[is_judged] * weight)
    found = found / length
    brightness = np.append(found[:-2], found[-2] - found[-1])
    return brightness, distance**2 / max(len(weight) - len(brightness), 1)
