"""The lens model of measured images: seven numbers, a COOLEST file, or draws."""

from pathlib import Path

import numpy as np

from stronglens.measuring.coolest import LENS_COLUMNS, Lens, is_possible, read_coolest
from stronglens.parameters import RunError, UsageError

DRAWS = 16
"""Largest number of draws that a source is averaged over."""


def read_lenses(parameters) -> np.ndarray:
    """Return the lens model of ``--lens`` or ``--lens-model-file``, or those of ``--lens-draws``.

    Returns
    -------
    ndarray (D, 7), `LENS_COLUMNS`

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
    if not is_possible(values):
        raise UsageError(f"--lens={text}: the Einstein radius must be positive, ellipticity and shear below 0.9")
    return values


def read_draws(path: Path) -> np.ndarray:
    """Return posterior draws of a lens model, at most `DRAWS`, evenly spread over the table.

    Parameters
    ----------
    path : Path
        CSV with the columns of `LENS_COLUMNS`; only the Einstein radius must be there, the others may be 0.

    Returns
    -------
    ndarray (D, 7)

    Raises
    ------
    RunError
        When the table cannot be read, has no such column, or holds an impossible lens.
    """
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
    if not all(map(is_possible, lenses)):
        raise RunError(f"{path}: Einstein radii must be positive, ellipticities and shears below 0.9")
    return lenses
