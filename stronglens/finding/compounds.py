"""Compound lenses: a third galaxy between the lens and the source, with mass and with lensed light."""

from collections.abc import Sequence

import numpy as np

from stronglens import cosmology
from stronglens.finding import population
from stronglens.finding.classes import KINDS
from stronglens.finding.colours import BANDS
from stronglens.finding.population import Numbers, draw_lens_light, draw_sources
from stronglens.sampling import Draws, Stream, generator

COMPOUNDS = {"rings": "compound-rings", "arcs": "compound-arcs", "two-lenses": "two-lenses"}
"""Kinds of images by the words of ``--compound``."""

COMPOUND_KINDS = tuple(KINDS.index(kind) for kind in COMPOUNDS.values())

PLACE = (0.3, 0.8)
"""Place of the middle galaxy between the redshifts of lens and source, as a fraction."""

MAGNITUDES = (21.0, 24.0)
"""Of a middle galaxy that is a source, in VIS, unlensed."""

DISPERSIONS = {"compound-rings": (100.0, 250.0), "compound-arcs": (100.0, 250.0), "two-lenses": (180.0, 320.0)}
"""Velocity dispersions of the middle galaxy, km/s."""

ALIGNED = 0.25
"""Largest distance of both sources of rings from the lens, as a fraction of the Einstein radius for each."""

DISTANCES = {"compound-rings": (0.0, ALIGNED), "compound-arcs": (ALIGNED, 1.0), "two-lenses": (1.1, 2.0)}
"""Distance of the middle galaxy from the lens, as a fraction of the Einstein radius for it: a middle galaxy of
``two-lenses`` has one image beside the lens."""

MIDDLE_NUMBERS = 5 + population.LENS_NUMBERS + population.SOURCE_NUMBERS


def choose_compounds(seed: int, indices: Sequence[int], kinds: np.ndarray, compound: str | None, share: float):
    """Make some of the lenses compound.

    Parameters
    ----------
    seed : int
    indices : sequence of N int
    kinds : ndarray (N,) int
        Indices into `KINDS`.
    compound : str or None
        A key of ``COMPOUNDS``; None for all in equal shares.
    share : float
        Fraction of the lenses.

    Returns
    -------
    ndarray (N,) int
    """
    kinds = kinds.copy()
    choices = [KINDS.index(COMPOUNDS[compound])] if compound else COMPOUND_KINDS
    for row in np.flatnonzero(kinds == 0):
        first, second = generator(seed, Stream.POPULATION, int(indices[row]), 0, 1).random(2)
        if first < share:
            kinds[row] = choices[int(second * len(choices))]
    return kinds


def add_middle(seed: int, indices: Sequence[int], kinds: np.ndarray, attempts: np.ndarray, draws: Draws) -> Draws:
    """Add the columns of middle galaxies to draws of lenses with sources.

    The middle galaxy of rings and arcs is a second source, of the colours, sizes and shapes of sources; that of
    ``two-lenses`` is an early-type galaxy. Its velocity dispersion is uniform in ``DISPERSIONS``, its distance from the
    lens uniform in area in ``DISTANCES``. The farther source of rings is moved towards the lens.

    Parameters
    ----------
    seed : int
    indices : sequence of N int
    kinds, attempts : ndarray (N,) int
    draws : dict of column to ndarray (N,)
        See `non_lenses.draw_scenes`.

    Returns
    -------
    dict of column to ndarray (N,)
        The draws, and ``middle-redshift``, ``middle-einstein-radius`` (for the source at the largest redshift),
        ``middle-center-x`` and ``-y`` (unlensed), ``-ellip-x``, ``-ellip-y``, ``-effect``, ``-sersic``,
        ``-magnitude-BAND``, and ``beta``. An absent middle galaxy has the magnitude inf and no mass.
    """
    length = len(kinds)
    middle = {f"middle-{name}": np.zeros(length) for name in ("redshift", "einstein-radius", "center-x", "center-y")}
    middle |= {f"middle-ellip-{axis}": np.zeros(length) for axis in "xy"}
    middle |= {name: np.ones(length) for name in ("middle-effect", "middle-sersic", "beta")}
    middle |= {f"middle-magnitude-{band.lower()}": np.full(length, np.inf) for band in BANDS}
    draws = {name: values.copy() for name, values in draws.items()}
    numbers = np.array(
        [
            generator(seed, Stream.POPULATION, int(index), int(attempt), 2).random(MIDDLE_NUMBERS)
            for index, attempt in zip(indices, attempts, strict=True)
        ]
    )
    for kind in COMPOUND_KINDS:
        rows = np.flatnonzero(kinds == kind)
        if len(rows):
            some = _draw_middle(
                KINDS[kind], Numbers(numbers[rows]), {name: values[rows] for name, values in draws.items()}
            )
            for name, values in some.items():
                (middle if name in middle else draws)[name][rows] = values
    return draws | middle


def _draw_middle(kind: str, left: Numbers, draws: Draws) -> Draws:
    z_lens, z_source = draws["lens-redshift"], draws["src-redshift"]
    place, dispersion, distance, turn, brightness = (left.take() for _ in range(5))
    redshift = z_lens + (PLACE[0] + (PLACE[1] - PLACE[0]) * place) * (z_source - z_lens)
    low, high = DISPERSIONS[kind]
    sigma = low + (high - low) * dispersion
    beta = cosmology.plane_scale(z_lens, redshift, z_source)
    near, far = DISTANCES[kind]
    reach = beta * draws["einstein-radius-sie"] * np.sqrt(near**2 + distance * (far**2 - near**2))
    angle = 2 * np.pi * turn
    light = draw_lens_light(left.take(population.LENS_NUMBERS - 6), redshift, sigma)
    from_source = draw_sources(
        left.take(population.SOURCE_NUMBERS), redshift, MAGNITUDES[0] + (MAGNITUDES[1] - MAGNITUDES[0]) * brightness
    )
    names = ("ellip-x", "ellip-y", "effect", "sersic", *(f"magnitude-{band.lower()}" for band in BANDS))
    light, prefix = (light, "lens") if kind == "two-lenses" else (from_source, "src")
    middle = {f"middle-{name}": light[f"{prefix}-{name}"] for name in names}
    middle |= {
        "middle-redshift": redshift,
        "middle-einstein-radius": cosmology.isothermal_einstein_radius(sigma, redshift, z_source),
        "middle-center-x": draws["lens-center-x"] + reach * np.cos(angle),
        "middle-center-y": draws["lens-center-y"] + reach * np.sin(angle),
        "beta": beta,
    }
    if kind == "compound-rings":
        for axis in "xy":
            centre = draws[f"lens-center-{axis}"]
            middle[f"src-center-{axis}"] = centre + ALIGNED * (draws[f"src-center-{axis}"] - centre)
    return middle
