"""The lens model of measured images: seven numbers, a COOLEST file (Galan et al. 2023, JOSS 8, 5567), or draws.

COOLEST's position angles are in degrees from +y towards -x, its Einstein radii on the intermediate axis, and its
coordinates in arcsec, x to the right and y up (https://coolest.readthedocs.io, "Conventions").
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stronglens.parameters import RunError, UsageError

POWER_LAW_SLOPE = 2.0
"""Slope of the power law (PEMD) that is the isothermal ellipsoid (SIE)."""

DRAWS = 16
"""Largest number of draws that a source is averaged over."""

Lens = tuple[float, float, float, float, float, float, float]
"""Values of `operator.LENS_COLUMNS`."""


def read_lenses(parameters) -> np.ndarray:
    """Return the lens model of ``--lens`` or ``--lens-model-file``, or those of ``--lens-draws``.

    Returns
    -------
    ndarray (D, 7), `operator.LENS_COLUMNS`

    Raises
    ------
    UsageError
        When none or several are given, or the numbers describe no lens.
    RunError
        When the file cannot be read or holds another lens model than an isothermal ellipsoid with external shear.
    """
    given = [bool(parameters.lens), parameters.lens_model_file is not None, parameters.lens_draws is not None]
    if sum(given) != 1:
        raise UsageError(
            "--predict needs one lens model of the images: give one of --lens, --lens-model-file and --lens-draws"
        )
    if given[2]:
        return read_draws(parameters.lens_draws)
    return np.array([read_numbers(parameters.lens) if given[0] else read_coolest(parameters.lens_model_file)])


def read_numbers(text: str) -> Lens:
    """Return the seven numbers of ``--lens``.

    Raises
    ------
    UsageError
        When they are not seven numbers, or no lens has these values.
    """
    try:
        values = tuple(float(word) for word in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 7:
        raise UsageError(f"--lens={text} must be seven numbers: Einstein radius, x, y, two ellipticities, two shears")
    if not _is_possible(values):
        raise UsageError(f"--lens={text}: the Einstein radius must be positive, ellipticity and shear below 0.9")
    return values


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
            f"{path}: its mass is {' + '.join(kinds) or 'empty'}; the reconstruction takes one SIE (or PEMD of slope "
            "2) and at most one ExternalShear"
        )
    mass, shear = ellipsoids[0], shears[0] if shears else {"gamma_ext": 0.0, "phi_ext": 0.0}
    try:
        slope = float(mass.get("gamma", POWER_LAW_SLOPE))
        radius, x, y, q, angle = (float(mass[name]) for name in ("theta_E", "center_x", "center_y", "q", "phi"))
        strength, direction = float(shear["gamma_ext"]), float(shear["phi_ext"])
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{path}: a mass profile lacks point estimates") from None
    if abs(slope - POWER_LAW_SLOPE) > 1e-3:
        raise RunError(f"{path}: its power law has the slope {slope:g}; the reconstruction takes slope 2 (isothermal)")
    e_x, e_y = _components((1 - q) / (1 + q), angle)
    values = (radius, x, y, e_x, e_y, *_components(strength, direction))
    if not _is_possible(values):
        raise RunError(f"{path}: the Einstein radius must be positive, ellipticity and shear below 0.9")
    return values


def read_draws(path: Path) -> np.ndarray:
    """Return posterior draws of a lens model, at most `DRAWS`, evenly spread over the table.

    Parameters
    ----------
    path : Path
        CSV with the columns of `operator.LENS_COLUMNS`; only the Einstein radius must be there, the others may be 0.

    Returns
    -------
    ndarray (D, 7)

    Raises
    ------
    RunError
        When the table cannot be read, has no such column, or holds an impossible lens.
    """
    from stronglens.reconstruction.operator import LENS_COLUMNS

    try:
        names, *rows = [line.split(",") for line in path.read_text(encoding="utf-8").split()] or [[]]
        table = np.array(rows, float)
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}) (--lens-draws)") from None
    except ValueError:
        raise RunError(f"{path}: not a table of numbers with a header (--lens-draws)") from None
    if LENS_COLUMNS[0] not in names or table.ndim != 2 or table.shape[1] != len(names):
        raise RunError(f"{path}: needs the column {LENS_COLUMNS[0]}, as draws of isothermal lenses have it")
    table = table[np.unique(np.linspace(0, len(table) - 1, min(DRAWS, len(table))).astype(int))]
    zero = np.zeros(len(table))
    lenses = np.stack([table[:, names.index(name)] if name in names else zero for name in LENS_COLUMNS], axis=1)
    if not all(map(_is_possible, lenses)):
        raise RunError(f"{path}: Einstein radii must be positive, ellipticities and shears below 0.9")
    return lenses


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
        raise RunError(f"{path}: cannot be read ({error.strerror or error}) (--lens-model-file)") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{path}: not a COOLEST template in plain JSON") from None


def _point_estimate(parameter: dict[str, Any]) -> float | None:
    return (parameter.get("point_estimate") or {}).get("value")


def _is_possible(values: Sequence[float] | np.ndarray) -> bool:
    radius, _, _, e_x, e_y, shear_1, shear_2 = values
    return bool(
        np.isfinite(values).all() and 0 < radius < 100 and np.hypot(e_x, e_y) < 0.9 and np.hypot(shear_1, shear_2) < 0.9
    )
