"""Parameters that determine the image of an elliptical lens up to its brightness, and their posterior samples.

With a free brightness, the image does not depend on the redshifts.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import hyp2f1

from stronglens import telescope
from stronglens.lens_models import LENS_MODELS, circular_einstein_radius
from stronglens.parameters import RunError, ranges
from stronglens.simulation.columns import LARGEST_ELLIPTICITY

WITHOUT_TRACE = {
    "lens-redshift", "src-redshift", "velocity-dispersion", "snr-wanted", "exposure-time", "peak-noise",
    "lens-intensity", "src-intensity", "lens-magnitude", "src-magnitude",
}  # fmt: skip
"""Drawn columns that do not change the image of an elliptical lens at a fixed Einstein radius and free brightness."""

OF_LENS_LIGHT = ("lens-effect", "lens-sersic", "light-ellip")
"""Prefixes of the columns that apply only to lenses with light."""

SHOWN_BY_LIGHT = (
    "lens-center-x", "lens-center-y", "lens-effect", "lens-sersic", "light-ellip-offset-x", "light-ellip-offset-y",
)  # fmt: skip
"""Drawn columns of the lens light that are fitted to the image if they are not labels. Light and mass have the same
centre."""

DIRECTIONS = 181
"""Number of points on a critical curve; the last point repeats the first."""


def columns_of_shape(parameters, labels: Sequence[str]) -> dict[str, float | None]:
    """Return the columns that determine an image up to its brightness, with values fixed by the training set.

    Columns that are neither fixed nor labels are fitted to the image (see `columns_to_fit`).

    Parameters
    ----------
    parameters : RegressionSimulation
    labels : sequence of L str
        Labels of the network.

    Returns
    -------
    dict of column to float or None
        The fixed value; None if the training set does not fix it.

    Raises
    ------
    RunError
        When a column is not a label, is not fixed, and cannot be fitted to the lens light, or the mass is not an
        ellipsoid.
    """
    if not LENS_MODELS[parameters.lens_model].is_ellipsoid:
        raise RunError(
            f"no model image: the network was trained on lenses with --lens-model={parameters.lens_model}, and labels "
            "do not determine such a model completely; train on --lens-model=sie or powerlaw"
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
    for axis in "xy":  # the ellipticity of the light is that of the mass plus the drawn offset
        if (offset := f"light-ellip-offset-{axis}") in needed and f"light-ellip-{axis}" in labels:
            del needed[offset]
            needed[f"light-ellip-{axis}"] = None
    missing = [name for name, value in needed.items() if value is None and name not in labels]
    if "einstein-radius-sie" in missing and "einstein-radius" in labels:
        missing.remove("einstein-radius-sie")  # derived from the circular Einstein radius and the ellipticity
    if parameters.lens_light == "on":
        missing = [name for name in missing if name not in SHOWN_BY_LIGHT]
    if missing:
        raise RunError(
            f"no model image: the network must also learn {', '.join(map(label_for, missing))} (--labels), or its "
            "training set must fix them"
        )
    return needed


def columns_to_fit(parameters, labels: Sequence[str]) -> list[str]:
    """Return the columns that are fitted to the lens light in the image.

    Parameters and errors are those of `columns_of_shape`.
    """
    needed = columns_of_shape(parameters, labels)
    return [name for name in SHOWN_BY_LIGHT if name not in labels and needed.get(name, 0.0) is None]


def label_for(column: str) -> str:
    """Return the label for a column: for a light-minus-mass offset, the ellipticity of the light."""
    return column.replace("light-ellip-offset", "light-ellip")


def shape_values(parameters, labels: Sequence[str], samples: np.ndarray) -> dict[str, np.ndarray]:
    """Return posterior samples of the columns of an image, except those that are fitted (`columns_to_fit`).

    Parameters
    ----------
    parameters : RegressionSimulation
    labels : sequence of L str
    samples : array_like (S, L), unit of each label

    Returns
    -------
    dict of column to ndarray (S,)

    Raises
    ------
    RunError
        See `columns_of_shape`.
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
    """Add fitted columns to samples, and convert offsets of the light's ellipticity to the ellipticity itself.

    Parameters
    ----------
    values : dict of column to ndarray (S,)
        As `shape_values` returns it.
    fitted : dict of column to float or ndarray (S,)
        Values of `columns_to_fit`; the ellipticity of the light may replace an offset.

    Returns
    -------
    dict of column to ndarray (S,)
    """
    number = len(values["einstein-radius-sie"])
    values = dict(values) | {name: np.broadcast_to(value, number) for name, value in fitted.items()}
    has_own_light = any(name.startswith("light-ellip") for name in values)
    for axis in "xy":
        offset = values.pop(f"light-ellip-offset-{axis}", 0.0)  # no drawn offset means no offset
        if has_own_light and f"light-ellip-{axis}" not in values:
            values[f"light-ellip-{axis}"] = values[f"lens-ellip-{axis}"] + offset
    return values


def intermediate_axis_radius(circular, ellipticity, slope=None):
    """Return the Einstein radius on the intermediate axis from the radius of the circle with mean convergence 1.

    Parameters
    ----------
    circular : array_like, arcsec
    ellipticity : array_like
        (1 - q) / (1 + q) with the axis ratio q.
    slope : array_like, optional
        See `circular_einstein_radius`.

    Returns
    -------
    ndarray, arcsec
    """
    return circular / circular_einstein_radius(1.0, np.minimum(ellipticity, LARGEST_ELLIPTICITY), slope)


def critical_curve(values: dict[str, float]) -> np.ndarray:
    """Return the tangential critical curve of an elliptical power law in an external shear.

    With t = slope - 1, convergence kappa and shear gamma of a power law decrease as r^(-t) along a direction phi. At
    the point exp(i phi) the deflection is alpha (Tessore & Metcalf 2015, A&A 580, A79, eqs. 13 and 18) and the shear
    is (1 - t) alpha exp(i phi) - kappa exp(2i phi). In an external shear g, det A = (1 - kappa)^2 - |gamma + g|^2 is
    quadratic in r^(-t), and its smaller root is the outer, tangential curve.

    Parameters
    ----------
    values : dict of column to float
        Without ``mass-slope`` the lens is isothermal.

    Returns
    -------
    ndarray (D, 2), arcsec
        x and y.
    """
    phi = np.linspace(0, 2 * np.pi, DIRECTIONS)
    ellipticity = complex(values["lens-ellip-x"], values["lens-ellip-y"])
    external = complex(values["shear-1"], values["shear-2"])
    t, f = values.get("mass-slope", 2.0) - 1, abs(ellipticity)
    q, angle = (1 - f) / (1 + f), np.angle(ellipticity) / 2
    elliptical = q * np.cos(phi - angle) + 1j * np.sin(phi - angle)
    unit = elliptical / abs(elliptical)
    height = (values["einstein-radius-sie"] * np.sqrt(q) / abs(elliptical)) ** t  # 2 kappa / (2 - t) at r = 1
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
    """Clip values to the range of the training set. A mean or the tail of a Gaussian can lie outside.

    Parameters
    ----------
    values : dict of column to ndarray (S,)
    held : dict of column to Range
        Ranges of the drawn columns.

    Returns
    -------
    dict of column to ndarray (S,)
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
    """Return the scene for the ray tracer. Its intensities are placeholders.

    Parameters
    ----------
    simulator : LensSimulator
    values : dict of column to ndarray (S,)

    Returns
    -------
    dict of scene column to ndarray (S,)
    """
    ones = np.ones(len(values["einstein-radius-sie"]))
    # Placeholders without effect: redshifts, since the Einstein radius is given, and the light of a lens without light.
    free = dict.fromkeys(("src-intensity", "lens-intensity", "lens-effect", "lens-sersic"), ones)
    return simulator.physical_scene(free | {"lens-redshift": ones, "src-redshift": 2 * ones} | values)


def render_templates(simulator, values: dict[str, np.ndarray]) -> list[tuple[np.ndarray, ...]]:
    """Return the convolved images (H, W) of each source and, if lenses have light, of its lens, with intensity 1.

    Parameters
    ----------
    simulator : LensSimulator
    values : dict of column to ndarray (S,)
        At most a chunk.
    """
    scene = scene_of(simulator, values)
    ones = np.ones(len(scene["src_effect"]))
    rendered = simulator.render(scene | {"src_intensity": ones, "lens_intensity": ones})
    blurred = [telescope.blur(images, simulator.telescope.psf) for images in rendered if images is not None]
    return list(zip(*(images.astype(float) for images in blurred), strict=True))
