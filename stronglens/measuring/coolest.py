"""Lens models from COOLEST templates (Galan et al. 2023, JOSS 8, 5567).

COOLEST's position angles are in degrees from +y towards -x, its Einstein radii on the intermediate axis, and its
coordinates in arcsec, x to the right and y up (https://coolest.readthedocs.io, "Conventions").
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stronglens.parameters import RunError

POWER_LAW_SLOPE = 2.0
"""Slope of the power law (PEMD) that is the isothermal ellipsoid (SIE)."""

LENS_COLUMNS = (
    "einstein-radius-sie",
    "lens-center-x",
    "lens-center-y",
    "lens-ellip-x",
    "lens-ellip-y",
    "shear-1",
    "shear-2",
)
"""Columns of an isothermal ellipsoid with external shear, in the order of a `Lens`."""

Lens = tuple[float, float, float, float, float, float, float]
"""Values of `LENS_COLUMNS`."""


def read_coolest(path: Path) -> Lens:
    """Return the lens model of a COOLEST template: its point estimates.

    Parameters
    ----------
    path : Path
        The template ``NAME.json``, or a folder with one template.

    Raises
    ------
    RunError
        When the file cannot be read, a value is missing, or the mass is not one isothermal ellipsoid (SIE, or PEMD of
        slope 2) with at most one external shear.
    """
    path = Path(path)
    if path.is_dir():
        found = sorted(file for file in path.glob("*.json") if not file.stem.endswith("_pyAPI"))
        if len(found) != 1:
            raise RunError(f"{path}: holds {len(found)} JSON files; name the COOLEST template")
        path = found[0]
    profiles = _read_mass(path)
    kinds = [kind for kind, _ in profiles]
    others = sorted(set(kinds) - {"SIE", "PEMD", "ExternalShear"})
    ellipsoids = [values for kind, values in profiles if kind in ("SIE", "PEMD")]
    shears = [values for kind, values in profiles if kind == "ExternalShear"]
    if others or len(ellipsoids) != 1 or len(shears) > 1:
        raise RunError(
            f"{path}: its mass is {' + '.join(kinds) or 'empty'}; only one SIE (or PEMD of slope 2) "
            "and at most one ExternalShear can be read"
        )
    mass, shear = ellipsoids[0], shears[0] if shears else {"gamma_ext": 0.0, "phi_ext": 0.0}
    try:
        slope = float(mass.get("gamma", POWER_LAW_SLOPE))
        radius, x, y, q, angle = (float(mass[name]) for name in ("theta_E", "center_x", "center_y", "q", "phi"))
        strength, direction = float(shear["gamma_ext"]), float(shear["phi_ext"])
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{path}: a mass profile lacks point estimates") from None
    if abs(slope - POWER_LAW_SLOPE) > 1e-3:
        raise RunError(f"{path}: its power law has the slope {slope:g}; only slope 2 (isothermal) is read")
    e_x, e_y = _components((1 - q) / (1 + q), angle)
    values = (radius, x, y, e_x, e_y, *_components(strength, direction))
    if not is_possible(values):
        raise RunError(f"{path}: the Einstein radius must be positive, ellipticity and shear below 0.9")
    return values


def _components(modulus: float, angle: float) -> tuple[float, float]:
    """Return the components of a spin-2 quantity from its angle in degrees from +y towards -x."""
    twice = 2 * np.deg2rad(angle + 90)
    return float(modulus * np.cos(twice)), float(modulus * np.sin(twice))


def _read_mass(path: Path) -> list[tuple[str, dict[str, float | None]]]:
    """Return the type of each mass profile in a template, and its point estimates by name.

    Only the lensing entities are read, not with the package ``coolest``: it refuses a template if any other part, such
    as the coordinates, is incomplete.
    """
    try:
        template = json.loads(path.read_text(encoding="utf-8"))
        return [
            (profile["type"], {name: _point_estimate(value) for name, value in profile["parameters"].items()})
            for entity in template["lensing_entities"]
            for profile in entity["mass_model"]
        ]
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{path}: not a COOLEST template in plain JSON") from None


def _point_estimate(parameter: dict[str, Any]) -> float | None:
    return (parameter.get("point_estimate") or {}).get("value")


def is_possible(values: Sequence[float] | np.ndarray) -> bool:
    """Return whether a lens can have the values of `LENS_COLUMNS`."""
    radius, _, _, e_x, e_y, shear_1, shear_2 = values
    return bool(
        np.isfinite(values).all() and 0 < radius < 100 and np.hypot(e_x, e_y) < 0.9 and np.hypot(shear_1, shear_2) < 0.9
    )
