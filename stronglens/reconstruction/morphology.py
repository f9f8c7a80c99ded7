"""Model galaxies of many shapes, each drawn from its own random generator, as functions of place.

`draw_shape` draws a spiral, a lenticular, an elliptical, an irregular, an edge-on disk or a merger. Lengths are in
units of about its half-light radius; the caller measures the radius and scales. Profiles are Sersic's (1963), arms
logarithmic spirals, texture a log-normal field with a power-law spectrum. The numbers were chosen by comparing radii,
concentrations, Gini coefficients and spectra with those of photographed galaxies.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft

Light = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Surface brightness (S, S) at x (S,) and y (S,); the value at the centre is of order 1."""

KINDS = {"spiral": 0.36, "lenticular": 0.08, "elliptical": 0.16, "irregular": 0.18, "edge-on": 0.1, "merger": 0.12}
TEXTURE_SIDE, TEXTURE_WIDTH = 128, 8.0
"""Pixels of a texture, and the length after which it repeats."""
LOG_FREQUENCY = np.log(
    np.hypot(np.fft.fftfreq(TEXTURE_SIDE, 1 / TEXTURE_SIDE)[:, None], np.arange(TEXTURE_SIDE // 2 + 1)).clip(min=2)
).astype(np.float32)
"""Of a texture's waves; flat below a frequency of two."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A galaxy as a function of place.

    Attributes
    ----------
    kind : one of ``KINDS``
    light : Light
    satellites : (M, 2), x and y of its compact satellites
    """

    kind: str
    light: Light
    satellites: np.ndarray


def draw_shape(random: np.random.Generator) -> Shape:
    """Draw a galaxy, and none to three compact satellites about it."""
    kind = str(random.choice(list(KINDS), p=list(KINDS.values())))
    main = _DRAW[kind](random)
    number = int(random.choice(4, p=(0.55, 0.25, 0.13, 0.07)))
    distance, angle = random.uniform(1.0, 2.4, number), random.uniform(0, 2 * np.pi, number)
    places = np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=1)
    dwarfs = _dots(places, random.uniform(0.08, 0.16, number), _log_uniform(random, 0.04, 0.35, number))
    return Shape(kind, lambda x, y: main(x, y) + dwarfs(x, y), places)


def _draw_spiral(random: np.random.Generator) -> Light:
    turn, axis_ratio = random.uniform(0, np.pi), random.uniform(0.35, 1.0)
    height = random.uniform(0.45, 0.75)  # an exponential disk's half-light radius is 1.68 of its scale length
    bulge = _sersic(random, index=random.uniform(1, 3), radius=random.uniform(0.12, 0.3), ratio=(0.8, 1.0), turn=turn)
    share = _log_uniform(random, 0.05, 1.2)
    arms, pitch = int(random.choice((2, 3, 4), p=(0.6, 0.2, 0.2))), math.radians(random.uniform(12, 32))
    sense, phase, start = int(random.choice((-1, 1))), random.uniform(0, 2 * np.pi), random.uniform(0.2, 0.5)
    contrast, sharpness = random.uniform(0.6, 2.5), random.uniform(0.7, 3.0)
    wind = arms * sense / math.tan(pitch)
    grain, wobble = _texture(random, 2.4, random.uniform(0.15, 0.45)), _texture(random, 3.5, random.uniform(0.2, 0.8))
    knots = _knots(random, turn, axis_ratio, along=(arms, wind, phase, start))
    bar = _draw_bar(random, turn, axis_ratio, start, phase / arms) if random.random() < 0.5 else None

    def light(x, y):
        u, v, radius = _in_disk(x, y, turn, axis_ratio)
        radius = np.maximum(radius, 0.02)
        winding = wind * np.log(radius) + phase + np.log(wobble(x, y))
        around = ((u + 1j * v) / radius) ** arms  # cheaper than the angle
        wave = around.real * np.cos(winding) + around.imag * np.sin(winding)
        inner = radius / start
        arm = np.exp(sharpness * (wave - 1)) * (1 - np.exp(-inner * inner * inner))
        disk = np.exp(-radius / height) * (1 + contrast * arm) * grain(x, y)
        disk = disk + knots(x, y) * np.exp(-0.5 * radius)
        return disk + share * bulge(x, y) + (0 if bar is None else bar(x, y))

    return light


def _draw_bar(random: np.random.Generator, turn: float, axis_ratio: float, length: float, angle: float) -> Light:
    length, width, strength = length * random.uniform(0.9, 1.4), random.uniform(0.2, 0.4), random.uniform(0.3, 1.2)
    cos, sin = math.cos(angle), math.sin(angle)

    def light(x, y):
        u, v, _ = _in_disk(x, y, turn, axis_ratio)
        along, across = (u * cos + v * sin) / length, (v * cos - u * sin) / (width * length)
        return strength * np.exp(-np.sqrt(along**2 * along**2 + across**2 * across**2))

    return light


def _draw_lenticular(random: np.random.Generator) -> Light:
    turn, axis_ratio = random.uniform(0, np.pi), random.uniform(0.3, 1.0)
    bulge = _sersic(random, random.uniform(1.5, 4), random.uniform(0.2, 0.5), ratio=(0.7, 1.0), turn=turn)
    height, share, grain = random.uniform(0.5, 0.8), random.uniform(0.3, 1.5), _texture(random, 3.0, 0.05)
    ring, place = 0.5 * random.random() * (random.random() < 0.5), random.uniform(0.6, 1.2)

    def light(x, y):
        _, _, radius = _in_disk(x, y, turn, axis_ratio)
        disk = np.exp(-radius / height) + ring * np.exp(-(((radius - place) / 0.15) ** 2))
        return disk * grain(x, y) + share * bulge(x, y)

    return light


def _draw_elliptical(random: np.random.Generator) -> Light:
    return _sersic(random, random.uniform(1.5, 4.5), 1.0, ratio=(0.5, 1.0), turn=random.uniform(0, np.pi))


def _draw_irregular(random: np.random.Generator) -> Light:
    turn, axis_ratio = random.uniform(0, np.pi), random.uniform(0.35, 1.0)
    body = _sersic(random, random.uniform(0.5, 1.2), 1.0, ratio=(axis_ratio, axis_ratio), turn=turn)
    grain = _texture(random, random.uniform(2.2, 3.2), random.uniform(0.5, 1.0))
    clumps = _knots(random, turn, axis_ratio, along=None)

    def light(x, y):
        smooth = body(x, y) * grain(x, y)
        return smooth + clumps(x, y)

    return light


def _draw_edge_on(random: np.random.Generator) -> Light:
    turn, height, thick = random.uniform(0, np.pi), random.uniform(0.5, 0.8), random.uniform(0.1, 0.22)
    bulge = _sersic(random, random.uniform(1, 3), random.uniform(0.15, 0.35), ratio=(0.6, 1.0), turn=turn)
    share, grain = _log_uniform(random, 0.05, 1.0), _texture(random, 2.6, random.uniform(0.1, 0.4))
    dust, warp = 0.7 * random.random() * (random.random() < 0.5), random.normal(0, 0.03)
    offset = 0.3 * thick

    def light(x, y):
        u, v, _ = _in_disk(x, y, turn, 1.0)
        v = v - warp * u * np.abs(u)
        disk = np.exp(-np.sqrt(u**2 + 0.01) / height) / np.cosh(np.clip(v / thick, -20, 20)) ** 2 * grain(x, y)
        lane = 1 - dust * np.exp(-(((v - offset) / (0.4 * thick)) ** 2))
        return (disk + share * bulge(x, y)) * lane

    return light


def _draw_merger(random: np.random.Generator) -> Light:
    kinds = random.choice(["spiral", "lenticular", "elliptical", "irregular"], 2)
    first, second = (_DRAW[kind](random) for kind in kinds)
    apart, angle = random.uniform(0.8, 2.0), random.uniform(0, 2 * np.pi)
    x2, y2, size, share = apart * math.cos(angle), apart * math.sin(angle), random.uniform(1, 2), random.uniform(0.3, 1)
    tail, sense = random.uniform(0.05, 0.25), int(random.choice((-1, 1)))
    reach, width, grain = random.uniform(1.5, 2.5), random.uniform(0.12, 0.25), _texture(random, 2.8, 0.4)
    start = random.uniform(0, 2 * np.pi)

    def light(x, y):
        radius, around = np.hypot(x, y[:, None]), np.arctan2(y[:, None], x)
        ridge = np.mod(sense * (around - start), 2 * np.pi)
        arc = np.exp(-(((radius - 0.5 - reach * ridge / np.pi) / (width * (1 + ridge / 2))) ** 2) - ridge / 1.5)
        both = first(x, y) + share * second(size * (x - x2), size * (y - y2))
        return both + tail * arc * grain(x, y)

    return light


def _sersic(random: np.random.Generator, index: float, radius: float, ratio: tuple, turn: float) -> Light:
    """Return a Sersic profile with a soft core, cut off softly at about two to three of its radii."""
    ratio, slope = random.uniform(*ratio), 2 * index - 1 / 3
    core, edge = (random.uniform(0.03, 0.1) / radius) ** 2, random.uniform(1.7, 3.2) ** 2
    middle = core ** (0.5 / index)

    def light(x, y):
        square = (_in_disk(x, y, turn, ratio)[2] / radius) ** 2
        return np.exp(slope * (middle - (square + core) ** (0.5 / index)) - (square / edge) ** 2)

    return light


def _knots(random: np.random.Generator, turn: float, axis_ratio: float, along: tuple | None) -> Light:
    """Return star-forming clumps: along the arms (number, winding, phase, start) or anywhere in a disk."""
    number = int(random.integers(4, 30))
    radius = random.exponential(0.5, number) + (0.1 if along is None else along[3])
    if along is None:
        angle = random.uniform(0, 2 * np.pi, number)
    else:
        arms, wind, phase, _ = along
        angle = (phase + wind * np.log(radius) + 2 * np.pi * random.integers(arms, size=number)) / arms
        angle = angle + random.normal(0, 0.25, number)
    u, v = radius * np.cos(angle), axis_ratio * radius * np.sin(angle)
    places = np.stack([u * np.cos(turn) - v * np.sin(turn), u * np.sin(turn) + v * np.cos(turn)], axis=1)
    bright = random.uniform(0.1, 0.8) * random.pareto(1.5, number).clip(max=3)
    return _dots(places, random.uniform(0.03, 0.12, number), bright)


def _dots(places: np.ndarray, sigmas: np.ndarray, peaks: np.ndarray) -> Light:
    """Return round Gaussians; their sum over a grid is one product of two matrices."""
    places, sigmas, peaks = (np.asarray(values, np.float32) for values in (places, sigmas, peaks))

    def light(x, y):
        if not len(places):
            return 0.0
        across = np.exp(-0.5 * ((x - places[:, :1]) / sigmas[:, None]) ** 2)
        down = np.exp(-0.5 * ((y - places[:, 1:]) / sigmas[:, None]) ** 2)
        return (down * peaks[:, None]).T @ across

    return light


def _texture(random: np.random.Generator, slope: float, strength: float) -> Light:
    """Return a log-normal field of median 1 whose logarithm has the power spectrum k^-slope and a given deviation."""
    side = TEXTURE_SIDE
    field = fft.rfft2(random.standard_normal((side, side), np.float32))
    field = fft.irfft2(field * np.exp(-slope / 2 * LOG_FREQUENCY), (side, side))
    field = np.exp(strength / float(field.std()) * (field - field.mean()))

    def interpolate(values, axis):
        place = axis * (side / TEXTURE_WIDTH)
        low = np.floor(place)
        between = (place - low).astype(np.float32)[:, None]
        low = low.astype(int) % side
        return values[low] * (1 - between) + values[(low + 1) % side] * between

    return lambda x, y: interpolate(interpolate(field, y).T, x).T


def _in_disk(x: np.ndarray, y: np.ndarray, turn: float, axis_ratio: float):
    """Return u, v and radius (S, S) in the plane of a disk seen at an angle."""
    cos, sin = math.cos(turn), math.sin(turn)  # plain floats leave arrays in float32
    u, v = x * cos + y[:, None] * sin, (y[:, None] * cos - x * sin) / axis_ratio
    return u, v, np.sqrt(u**2 + v**2)  # several times as fast as np.hypot


def _log_uniform(random: np.random.Generator, low: float, high: float, size=None):
    drawn = np.exp(random.uniform(np.log(low), np.log(high), size))
    return float(drawn) if size is None else drawn


_DRAW = {
    "spiral": _draw_spiral,
    "lenticular": _draw_lenticular,
    "elliptical": _draw_elliptical,
    "irregular": _draw_irregular,
    "edge-on": _draw_edge_on,
    "merger": _draw_merger,
}
