"""Photographed galaxies -> sets for training, validation and test that share none."""

from collections.abc import Mapping, Sequence

import numpy as np

from stronglens.observation.galaxies import Galaxy
from stronglens.parameters import RunError, UsageError


def split_galaxies(galaxies: Sequence[Galaxy], fractions: Mapping[str, float]) -> dict[str, list[Galaxy]]:
    """Assign every galaxy to one set by the checksum of its pixels alone.

    The order of files, their names and the other galaxies do not matter, so that a galaxy stays in its set when more
    are added. A copy that is turned or mirrored has the same checksum (`pixel_checksum`), and so do the bands of one
    galaxy. Sets hold their fractions as far as chance has it: 100 galaxies to within a few.

    Parameters
    ----------
    galaxies : sequence of Galaxy
    fractions : of each set by its name, with any sum above 0

    Returns
    -------
    dict of a set's name to its galaxies, in their order

    Raises
    ------
    UsageError
        If a fraction is below 0, or all are 0.
    RunError
        If a set with a fraction above 0 gets no galaxy.
    """
    total = sum(fractions.values())
    if total <= 0 or min(fractions.values()) < 0:
        raise UsageError(f"fractions of the sets: {dict(fractions)}; at least one above 0 and none below")
    sets, used = {name: [] for name in fractions}, [name for name, fraction in fractions.items() if fraction]
    ends = np.cumsum([fractions[name] for name in used])
    for galaxy in galaxies:
        place = int(np.searchsorted(ends[:-1], galaxy.checksum / 2**64 * total, side="right"))
        sets[used[place]].append(galaxy)
    for name, fraction in fractions.items():
        if fraction > 0 and not sets[name]:
            raise RunError(f"none of {len(galaxies)} photographed galaxies falls into the set {name!r}: give more")
    return sets
