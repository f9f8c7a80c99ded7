"""What the shape of an elliptical lens's image depends on: which columns, and their values in a posterior's samples.

The image does not depend on redshifts once its brightness is free.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import hyp2f1

from stronglens.lens_models import LENS_MODELS, circular_einstein_radius
from stronglens.parameters import RunError, ranges
from stronglens.simulation.columns import LARGEST_ELLIPTICITY

WITHOUT_TRACE = {
    "lens-redshift", "src-redshift", "velocity-dispersion", "snr-wanted", "exposure-time", "peak-noise",
    "lens-intensity", "src-intensity", "lens-magnitude", "src-magnitude",
}  # fmt: skip
"""Drawn columns on which the shape of an elliptical lens's image does not depend, its Einstein radius given."""

OF_LENS_LIGHT = ("lens-effect", "lens-sersic", "light-ellip")
"""How the columns begin that mean nothing where lenses do not shine."""

SHOWN_BY_LIGHT = (
    "lens-center-x", "lens-center-y", "lens-effect", "lens-sersic", "light-ellip-offset-x", "light-ellip-offset-y",
)  # fmt: skip
"""Drawn columns that are fitted to the image where they were not learned. The centre is that of the mass, too."""

DIRECTIONS = 181
"""Points of a critical curve, the first of them twice."""


def columns_of_shape(parameters, labels: Sequence[str]) -> dict[str, float | None]:
    """Return what the shape of an image depends on: columns, each with its value where the training set fixes it.

    Those that are neither fixed nor learned are to be fitted to the image: see `columns_to_fit`.

    Parameters
    ----------
    parameters : RegressionSimulation
    labels : sequence of str, what the network learned

    Raises
    ------
    RunError
        When something is neither learned nor fixed nor shown by the lens's light, or the mass is no ellipsoid.
    """
    if not LENS_MODELS[parameters.lens_model].is_ellipsoid:
        raise RunError(
            f"no model image: the network learned from lenses --lens-model={parameters.lens_model}, "
            "of which no set of labels is a whole model; train it on --lens-model=sie or powerlaw"
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
            f"no model image: the network would have to learn {', '.join(map(label_for, missing))} too (--labels), or "
            "its training set to fix them"
        )
    return needed


def columns_to_fit(parameters, labels: Sequence[str]) -> list[str]:
    """Return those columns of an image's shape that its lens's light alone has to tell.

    Parameters and errors are those of `columns_of_shape`.
    """
    needed = columns_of_shape(parameters, labels)
    return [name for name in SHOWN_BY_LIGHT if name not in labels and needed.get(name, 0.0) is None]


def label_for(column: str) -> str:
    """Return the label to learn for a column: the light's ellipticity itself, not what it differs by."""
    return column.replace("light-ellip-offset", "light-ellip")


def shape_values(parameters, labels: Sequence[str], samples: np.ndarray) -> dict[str, np.ndarray]:
    """Return samples of what is known of an image's shape, without `columns_to_fit`: dict of column to (S,).

    Parameters
    ----------
    parameters : RegressionSimulation
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
        values["einstein-radius-sie"] = intermediate_axis_radius(
            learned["einstein-radius"], ellipticity, values.get("mass-slope")
        )
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


def intermediate_axis_radius(circular, ellipticity, slope=None):
    """Return an ellipsoid's Einstein radius on the intermediate axis from that of the circle with mean convergence 1.

    Parameters
    ----------
    circular : array_like, arcsec
    ellipticity : array_like, (1 - q) / (1 + q)
    slope : array_like, optional, as of `circular_einstein_radius`
    """
    return circular / circular_einstein_radius(1.0, np.minimum(ellipticity, LARGEST_ELLIPTICITY), slope)


def critical_curve(values: dict[str, float]) -> np.ndarray:
    """Return the tangential critical curve of an elliptical power law in an external shear.

    With t = slope - 1, convergence kappa and shear gamma of a power law fall as r^(-t) along a direction phi. A power
    law that deflects a point at exp(i phi) by alpha shears there by (1 - t) alpha exp(i phi) - kappa exp(2i phi), with
    alpha of Tessore & Metcalf 2015, A&A 580, A79 (eqs. 13 and 18). In an external shear g, det A = (1 - kappa)^2 -
    |gamma + g|^2 is a quadratic in r^(-t), and its smaller root is the outer, tangential curve.

    Parameters
    ----------
    values : dict of column to float; without ``mass-slope``, of an isothermal ellipsoid

    Returns
    -------
    (D, 2) x and y, arcsec
    """
    phi = np.linspace(0, 2 * np.pi, DIRECTIONS)
    ellipticity = complex(values["lens-ellip-x"], values["lens-ellip-y"])
    external = complex(values["shear-1"], values["shear-2"])
    t, f = values.get("mass-slope", 2.0) - 1, abs(ellipticity)
    q, angle = (1 - f) / (1 + f), np.angle(ellipticity) / 2
    elliptical = q * np.cos(phi - angle) + 1j * np.sin(phi - angle)
    unit = elliptical / abs(elliptical)
    height = (values["einstein-radius-sie"] * np.sqrt(q) / abs(elliptical)) ** t  # 2 kappa / (2 - t), at r = 1
    kappa = (2 - t) / 2 * height
    omega = unit * hyp2f1(1, t / 2, 2 - t / 2, -f * unit**2)
    alpha = 2 / (1 + q) * height * abs(elliptical) * omega * np.exp(1j * angle)
    gamma = (1 - t) * alpha * np.exp(1j * phi) - kappa * np.exp(2j * phi)
    # (kappa^2 - |gamma|^2) s^2 - 2 (kappa + Re(gamma g*)) s + 1 - |g|^2 = 0, in s = r^(-t)
    half, rest = kappa + (gamma * np.conj(external)).real, 1 - abs(external) ** 2
    root = rest / (half + np.sqrt(half**2 - (kappa**2 - abs(gamma) ** 2) * rest))
    radius = root ** (-1 / t)
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
