"""Draws of all images of the finding task: lenses, and galaxies that look like lenses.

Light that could be taken for arcs has the brightness, size, radius and colours of the arcs of the lens population, so
that these cannot tell a lens from the others.
"""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from stronglens import cosmology
from stronglens.finding import population
from stronglens.finding.classes import KINDS
from stronglens.finding.colours import BANDS
from stronglens.finding.disks import PARAMETERS
from stronglens.finding.population import Numbers, draw_lenses, ellipticity, place_sources, truncated_rayleigh
from stronglens.sampling import Draws, Stream, generator

NONLENS_SHARES = {
    "companions": 0.28, "spiral": 0.22, "single-image": 0.14, "ring": 0.12, "lone": 0.10, "merger": 0.08,
    "edge-on": 0.06,
}  # fmt: skip
DISKS = ("spiral", "ring", "merger", "edge-on")

COMPANIONS = 3
"""Maximum number of companions of a galaxy."""

SINGLE_IMAGE = (1.7, 2.5)
"""Distance of a source with a single image from the lens, in Einstein radii."""

EDGE = 0.3
"""Distance of a single image or of the first companion from the edge of the field, arcsec, at least."""

ARCS = 10_000
"""Lenses whose arcs are imitated."""

FEWEST_ARCS = 100
"""Brightest arcs that are imitated if hardly any is bright enough."""

SMALLEST_SNR = 20.0
"""Smallest signal-to-noise ratio of these arcs in VIS."""

SNR_EXCESS = 1.34
"""Estimated over measured signal-to-noise ratio of arcs, median of 5,800 simulated lenses: the estimate neglects the
photon noise of the lens light."""

NOISE, ZERO_POINT, PIXEL, BLUR = 0.0108, 25.72, 0.1, 0.16 / 2.355
"""Of VIS: noise, e-/s per pixel; AB mag; arcsec; and arcsec."""

OWN_NUMBERS = 6 + 5 * COMPANIONS + 8
NUMBERS = 1 + population.NUMBERS + OWN_NUMBERS


def draw_kinds(
    seed: int,
    indices: Sequence[int],
    shares: Mapping[str, float] = NONLENS_SHARES,
    lens_share: float = 0.5,
) -> np.ndarray:
    """Draw the kind of each image: a lens, or one of the kinds of non-lenses.

    Parameters
    ----------
    seed : int
    indices : sequence of N int
        Indices of the images.
    shares : mapping of kind to float
        Shares among the non-lenses; they need not sum to 1.
    lens_share : float

    Returns
    -------
    ndarray (N,) int
        Indices into `KINDS`.
    """
    number = np.array([generator(seed, Stream.POPULATION, int(index), 0).random() for index in indices])
    weights = np.array(list(shares.values()), float)
    limits = lens_share + (1 - lens_share) * np.cumsum(weights / weights.sum())
    kinds = np.array([0, *(KINDS.index(kind) for kind in shares)])
    return kinds[np.minimum(np.searchsorted([lens_share, *limits[:-1]], number, side="right"), len(shares))]


def draw_scenes(
    seed: int,
    indices: Sequence[int],
    kinds: np.ndarray,
    attempts: np.ndarray | int = 0,
    field_radius: float = 3.3,
    snr_min: float = SMALLEST_SNR,
) -> Draws:
    """Draw galaxies, sources, companions and disks of images of given kinds.

    The draws of an image depend on the seed, its index, its kind and the attempt alone. Compound lenses are drawn as
    lenses.

    Parameters
    ----------
    seed : int
    indices : sequence of N int
        Indices of the images.
    kinds : ndarray (N,) int
        Indices into `KINDS`.
    attempts : ndarray (N,) int
        Number of earlier draws of each image that were rejected.
    field_radius : float, arcsec
        Half the side of the field.
    snr_min : float
        Smallest signal-to-noise ratio in VIS of the arcs that non-lenses imitate.

    Returns
    -------
    dict of column to ndarray (N,)
        Columns of the lens population; ``companion-K-center-x``, ``-center-y``, ``-ellip-x``, ``-ellip-y``,
        ``-effect``, ``-sersic`` and ``-magnitude-BAND`` for K from 1 to 3; and ``disk-`` with the names in
        ``PARAMETERS`` and ``magnitude-BAND``. Light that is absent has the magnitude inf; mass that is absent has the
        Einstein radius, velocity dispersion and shear 0.
    """
    attempts = np.broadcast_to(attempts, len(indices))
    numbers = np.array(
        [
            generator(seed, Stream.POPULATION, int(index), int(attempt)).random(NUMBERS)
            for index, attempt in zip(indices, attempts, strict=True)
        ]
    )
    draws = draw_lenses(numbers[:, 1 : 1 + population.NUMBERS])
    kinds = np.asarray(kinds)
    left = Numbers(numbers[:, 1 + population.NUMBERS :])
    arc = _take_arcs(left.take(), snr_min)
    draws |= _absent_companions(len(kinds)) | _absent_disks(len(kinds))
    place, share, count, tilt, turn = (left.take() for _ in range(5))
    parts = [left.take(5) for _ in range(COMPANIONS)]
    disk = left.take(8)
    for kind in np.unique(kinds):
        name = KINDS[kind]
        if name not in NONLENS_SHARES:
            continue
        rows = kinds == kind
        some = {column: values[rows] for column, values in draws.items()}
        arcs = {column: values[rows] for column, values in arc.items()}
        if name == "single-image":
            some |= _move_source_outside(some, arcs, place[rows], field_radius)
        else:
            some |= _remove_lens(some)
        if name == "companions":
            arcs["outer"] = np.minimum(arcs["outer"], field_radius - EDGE)
            some |= _add_companions(arcs, some, count[rows], [part[rows] for part in parts])
        if name == "merger":
            some |= _add_nucleus(arcs, some, share[rows], place[rows], parts[0][rows])
        if name in DISKS:
            some |= _add_disk(name, arcs, some, share[rows], tilt[rows], turn[rows], disk[rows])
        for column, values in some.items():
            draws[column][rows] = values
    return {column: values for column, values in draws.items() if column not in ("src-distance", "src-angle")}


def _magnitudes(prefix: str) -> list[str]:
    return [f"{prefix}-magnitude-{band.lower()}" for band in BANDS]


@cache
def _arcs(snr_min: float) -> dict[str, np.ndarray]:
    """Return magnitudes, radius, size and offset of the arcs of lenses, of those bright enough to be seen.

    The magnification is that of an isothermal sphere, 2 theta_E / beta, with the source's radius added to beta in
    quadrature. ``radius`` is the Einstein radius, ``outer`` the distance of the outer image, and ``effect`` the radius
    of a circle with the area of the magnified source.
    """
    lenses = draw_lenses(np.random.default_rng(0).random((ARCS, population.NUMBERS)))
    radius = lenses["einstein-radius-sie"]
    offset = lenses["src-distance"] ** 0.5 * radius
    magnification = 2 * radius / np.hypot(offset, lenses["src-effect"])
    gain = 2.5 * np.log10(magnification)
    arcs = {name: lenses[name] - gain for name in _magnitudes("src")}
    arcs |= {
        "radius": radius,
        "outer": radius + offset,
        "effect": lenses["src-effect"] * magnification**0.5,
        "sersic": lenses["src-sersic"],
    }
    # Flux over the noise in its effective area, 8 pi h^2 of an exponential disk and 4 pi sigma^2 of a Gaussian.
    flux = 10 ** (-0.4 * (arcs["src-magnitude-vis"] - ZERO_POINT))
    area = 8 * np.pi * (arcs["effect"] / 1.678) ** 2 + 4 * np.pi * BLUR**2 * magnification
    ratio = flux / (NOISE * np.sqrt(area) / PIXEL)
    seen = ratio > min(SNR_EXCESS * snr_min, np.sort(ratio)[-FEWEST_ARCS])
    return {name: values[seen] for name, values in arcs.items()}


def _take_arcs(numbers: np.ndarray, snr_min: float) -> dict[str, np.ndarray]:
    arcs = _arcs(snr_min)
    rows = (numbers * len(arcs["radius"])).astype(int)
    return {name: values[rows] for name, values in arcs.items()}


def _absent_companions(length: int) -> Draws:
    columns = {}
    for k in range(1, COMPANIONS + 1):
        columns |= {
            f"companion-{k}-{name}": np.zeros(length) for name in ("center-x", "center-y", "ellip-x", "ellip-y")
        }
        columns |= {f"companion-{k}-{name}": np.ones(length) for name in ("effect", "sersic")}
        columns |= {name: np.full(length, np.inf) for name in _magnitudes(f"companion-{k}")}
    return columns


def _absent_disks(length: int) -> Draws:
    columns = {f"disk-{name}": np.ones(length) for name in PARAMETERS}
    columns |= {f"disk-{name}": np.zeros(length) for name in ("center-x", "center-y", "ellip-x", "ellip-y")}
    return columns | {name: np.full(length, np.inf) for name in _magnitudes("disk")}


def _remove_lens(draws: Draws) -> Draws:
    nothing = np.zeros_like(draws["lens-redshift"])
    mass = dict.fromkeys(("velocity-dispersion", "einstein-radius-sie", "shear-1", "shear-2"), nothing)
    return mass | dict.fromkeys(_magnitudes("src"), nothing + np.inf)


def _move_source_outside(draws: Draws, arcs, numbers: np.ndarray, field_radius: float) -> Draws:
    """Place the source so that it has one image, as far out as the outer image of an arc and as bright as the arc.

    The distance of the source from the lens, in Einstein radii, is uniform in area. The redshift of the source follows
    from the Einstein radius: theta_E = theta_inf (1 - chi_l / chi_s) in a flat universe.
    """
    near, far = SINGLE_IMAGE
    ratio = np.sqrt(near**2 + numbers * (far**2 - near**2))
    largest = cosmology.isothermal_einstein_radius(draws["velocity-dispersion"], 0.0, 1.0)
    wanted = np.minimum(arcs["outer"], field_radius - EDGE) / (1 + ratio)
    redshifts = np.linspace(0, population.LAST_REDSHIFT, 800)
    distances = cosmology.comoving_distance(redshifts)
    lens = cosmology.comoving_distance(draws["lens-redshift"])
    radius = np.minimum(wanted, largest * (1 - lens / distances[-1]))
    gain = 2.5 * np.log10(1 + 1 / ratio)
    return {
        "einstein-radius-sie": radius,
        "src-redshift": np.interp(lens / (1 - radius / largest), distances, redshifts),
        "src-effect": arcs["effect"] / np.sqrt(1 + 1 / ratio),
        **{name: arcs[name] + gain for name in _magnitudes("src")},
        **place_sources(draws, ratio * radius),
    }


def _add_companions(arcs, draws: Draws, numbers: np.ndarray, parts: Sequence[np.ndarray]) -> Draws:
    """Split the flux and the area of an arc among one to three companions, 40, 35 and 25 % of the galaxies.

    The first is as far from the galaxy as the outer image of the arc, the others at random distances within it.
    """
    count = 1 + (numbers > 0.4).astype(int) + (numbers > 0.75)
    flux = np.stack([1 + 2 * part[:, 0] for part in parts]) * (np.arange(COMPANIONS)[:, None] < count)
    flux /= flux.sum(axis=0)
    columns = {}
    for k, (part, share) in enumerate(zip(parts, flux, strict=True), start=1):
        distance = arcs["outer"] * (1 if k == 1 else 0.3 + 0.7 * part[:, 1])
        angle = 2 * np.pi * part[:, 2]
        present = share > 0
        share = np.where(present, share, 1)
        ellip_x, ellip_y = ellipticity(1 - truncated_rayleigh(part[:, 3], 0.3, 0.8), part[:, 4])
        values = {
            "center-x": draws["lens-center-x"] + distance * np.cos(angle),
            "center-y": draws["lens-center-y"] + distance * np.sin(angle),
            "ellip-x": ellip_x,
            "ellip-y": ellip_y,
            "effect": arcs["effect"] * share**0.5,
            "sersic": arcs["sersic"],
        }
        columns |= {f"companion-{k}-{name}": column for name, column in values.items()}
        dimmed = np.where(present, -2.5 * np.log10(share), np.inf)
        columns |= {name: arcs[arc] + dimmed
                    for name, arc in zip(_magnitudes(f"companion-{k}"), _magnitudes("src"), strict=True)}  # fmt: skip
    return columns


def _add_nucleus(arcs, draws: Draws, numbers: np.ndarray, place: np.ndarray, part: np.ndarray) -> Draws:
    """Split a galaxy in two of the same colours, the second up to 2 magnitudes fainter and smaller accordingly."""
    fainter = 2 * numbers
    distance, angle = arcs["radius"] * (0.4 + 0.6 * place), 2 * np.pi * part[:, 2]
    ellip_x, ellip_y = ellipticity(1 - truncated_rayleigh(part[:, 3], 0.3, 0.8), part[:, 4])
    values = {
        "center-x": draws["lens-center-x"] + distance * np.cos(angle),
        "center-y": draws["lens-center-y"] + distance * np.sin(angle),
        "ellip-x": ellip_x,
        "ellip-y": ellip_y,
        "effect": draws["lens-effect"] * 10 ** (-0.2 * fainter),
        "sersic": draws["lens-sersic"],
    }
    columns = {f"companion-1-{name}": column for name, column in values.items()}
    lost = 2.5 * np.log10(1 + 10 ** (-0.4 * fainter))
    for name, lens in zip(_magnitudes("companion-1"), _magnitudes("lens"), strict=True):
        columns |= {lens: draws[lens] + lost, name: draws[lens] + lost + fainter}
    return columns


def _add_disk(kind: str, arcs, draws: Draws, share, tilt, turn, numbers: np.ndarray) -> Draws:
    """Give a galaxy a disk with the colours of an arc.

    A ring or a tail is as bright as an arc, or up to a magnitude brighter. A spiral or an edge-on disk is brighter than
    an arc and has at most 80 % of the galaxy's light, which the bulge loses, so that the total in VIS stays that of a
    lens galaxy. Radii are those of arcs, except that of an edge-on disk, which follows the galaxy's.
    """
    columns = {}
    colours = np.stack([arcs[name] for name in _magnitudes("src")])
    brightness = colours[0]
    if kind in ("ring", "merger"):
        brightness = brightness - share
    else:
        bulge = draws["lens-magnitude-vis"]
        most = bulge - 2.5 * np.log10(0.8)
        brightness = most + share**0.7 * np.maximum(brightness - 1 - most, 0)
        lost = -2.5 * np.log10(1 - 10 ** (-0.4 * (brightness - bulge)))
        columns |= {name: draws[name] + lost for name in _magnitudes("lens")}
    if kind != "merger":
        # The bulge keeps its ellipticity and turns to the angle of the disk.
        size = np.hypot(draws["lens-ellip-x"], draws["lens-ellip-y"])
        columns |= {
            "lens-ellip-x": size * np.cos(2 * np.pi * turn),
            "lens-ellip-y": size * np.sin(2 * np.pi * turn),
        }
    pick = numbers.T
    # The ellipticity of an edge-on disk gives its angle alone.
    flattest = {"spiral": 0.4, "ring": 0.5, "merger": 0.6, "edge-on": 0.1}[kind]
    ellip_x, ellip_y = ellipticity(flattest + (1 - flattest) * 0.9 * tilt, turn)
    radius = {
        "spiral": arcs["radius"] / (1.0 + 1.2 * pick[0]),
        "edge-on": draws["lens-effect"] * (1 + pick[0]) / 1.678,
    }.get(kind, arcs["radius"])
    width = {
        "ring": np.clip(arcs["effect"] * (0.3 + 0.4 * pick[1]), 0.05, 0.4 * radius),
        "merger": np.clip(arcs["effect"] * (0.3 + 0.4 * pick[1]), 0.05, 0.3 * radius),
    }.get(kind, radius * (0.1 + 0.15 * pick[1]))
    values = {
        "center-x": draws["lens-center-x"],
        "center-y": draws["lens-center-y"],
        "ellip-x": ellip_x,
        "ellip-y": ellip_y,
        "radius": radius,
        "width": width,
        "arms": 2.0 + (pick[2] > 0.7) if kind == "spiral" else 1.0 + (pick[2] > 0.5),
        # Of spirals 10 to 35 degrees, of tails 0 to 20.
        "pitch": np.radians(10 + 25 * pick[3]) if kind == "spiral" else np.radians(20 * pick[3]),
        "contrast": {"spiral": 0.5 + 2.5 * pick[4], "ring": 1.5 * pick[4]}.get(kind, pick[4]),
        "phase": 2 * np.pi * pick[5],
    }
    columns |= {f"disk-{name}": values[name] for name in PARAMETERS}
    return columns | {name: colour + brightness - colours[0]
                      for name, colour in zip(_magnitudes("disk"), colours, strict=True)}  # fmt: skip
