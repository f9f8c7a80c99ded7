"""Lenses with dark substructure: speed and errors of tiles, compared with the sum of all masses for every ray."""

import time
from dataclasses import replace

import numpy as np
from autogalaxy.profiles.mass.abstract.deflections_memo import memo_disabled

from stronglens.raytracing import ImageRenderer, Perturbers
from stronglens.raytracing.reference import render_with_tracer
from stronglens.raytracing.tiles import Tiles

SIGNAL_TO_NOISE = 30
"""Signal-to-noise ratio of a source's brightest pixel, which sets the unit of errors."""

SUBHALOS = 2200
IMAGES = 64

SPEEDS = (  # what, kind, masses, pixels along a side, arcsec, rays along each side of a pixel
    ("no", "point", 0, 64, 0.05, 1),
    ("no", "point", 0, 64, 0.05, 2),
    ("no", "point", 0, 64, 0.05, 4),
    ("sphere", "point", SUBHALOS, 64, 0.05, 1),
    ("sphere", "point", SUBHALOS, 64, 0.05, 2),
    ("sphere", "point", SUBHALOS, 64, 0.05, 4),
    ("sphere", "nfw", SUBHALOS, 64, 0.05, 2),
    ("vortex", "point", 100, 64, 0.05, 1),
    ("vortex", "point", 100, 64, 0.05, 2),
    ("vortex", "point", 100, 64, 0.05, 4),
    ("points", "point", 25, 150, 0.05, 1),
)


class EveryMass(Tiles):
    """The direct sum that tiles approximate."""

    def sum_deflections(self, turns, halos, near, is_far):
        def deflections(rays, index):
            axes = (axis.reshape(-1, self.count[0] * self.count[1]) for axis in rays.T)
            # A step of the loop over points adds 16 masses, a step of the loop over halos 4.
            turned = turns[1] * (4 if self.kind == "nfw" else 1)
            total = self.sum_masses(*axes, [column[:, None] for column in halos], turned)
            return [total.imag.ravel(), total.real.ravel()]

        return deflections, None  # no second function, since sources are not refined here


def measure(seconds: float) -> dict:
    """Measure speeds (the best of a few calls, since the machine may be shared), and errors relative to float64."""
    return {"speeds": [measure_speed(*case, seconds / 4) for case in SPEEDS], "errors": measure_errors()}


def measure_speed(what, kind, masses, pixels, pixel_scale, over_sampling, seconds) -> dict:
    rng = np.random.default_rng(1)
    scene = draw_scene(rng, IMAGES)
    perturbers = draw_vortex(rng, IMAGES) if what == "vortex" else draw_perturbers(rng, kind, IMAGES, masses)
    grid = (pixels, pixels), pixel_scale, over_sampling
    few = 8 if masses else IMAGES
    head = {name: values[:few] for name, values in scene.items()}
    first = Perturbers(*(None if values is None else values[:few] for values in vars(perturbers).values()))
    works = {"ours": (build_renderer(Tiles, kind, *grid), scene, perturbers, IMAGES)}
    if masses:
        works["direct"] = (build_renderer(EveryMass, kind, *grid), head, first, few)
    row = {"what": what, "kind": kind, "masses": masses, "pixels": pixels, "over_sampling": over_sampling}
    row |= {name: best_rate(lambda r=r, s=s, p=p: r(s, p), n, seconds) for name, (r, s, p, n) in works.items()}
    one = {name: values[:1] for name, values in scene.items()}
    alone = Perturbers(*(None if values is None else values[:1] for values in vars(perturbers).values()))
    with memo_disabled():
        row["loop"] = best_rate(lambda: render_with_tracer("sie", False, one, *grid, alone), 1, 0)
    print(
        f"{what:>7} {kind:>5} {masses:>5} masses {pixels:>4} pixels {over_sampling}x{over_sampling}: "
        f"ours {row['ours']:>6.0f}  direct {row.get('direct', float('nan')):>6.0f}  loop {row['loop']:>7.2f} images/s",
        flush=True,
    )
    return row


def measure_errors(
    images: int = 12, cases=((0.05, 1), (0.05, 2), (0.05, 4), (0.1, 1), (0.1, 2), (0.1, 4))
) -> list[dict]:
    """Return the maximum errors over the pixels of images, in units of the noise."""
    rows = []
    for kind in ("point", "nfw"):
        rng = np.random.default_rng(2)
        scene, perturbers = draw_scene(rng, images), draw_perturbers(rng, kind, images, SUBHALOS)
        for pixel_scale, over_sampling in cases if kind == "point" else cases[:1]:
            grid = (64, 64), pixel_scale, over_sampling
            truth = build_renderer(EveryMass, kind, *grid, precision="float64")(scene, perturbers)[0]
            ours = build_renderer(Tiles, kind, *grid)(scene, perturbers)[0]
            error = SIGNAL_TO_NOISE * np.abs(ours - truth).max(axis=(1, 2)) / truth.max(axis=(1, 2))
            rows.append({"kind": kind, "pixel_scale": pixel_scale, "over_sampling": over_sampling})
            rows[-1] |= {"median": float(np.median(error)), "worst": float(error.max())}
            print(
                f"{kind:>7} {pixel_scale} arcsec {over_sampling}x{over_sampling}: largest error of an image, in units "
                f"of the noise: {np.median(error):.4f} in the median, {error.max():.4f} at worst",
                flush=True,
            )
    return rows


def build_renderer(tiles, kind, shape, pixel_scale, over_sampling, precision="float32") -> ImageRenderer:
    renderer = ImageRenderer("sie", False, shape, pixel_scale, over_sampling, precision=precision, perturbers=kind)
    renderer._tiles = tiles(shape, pixel_scale, over_sampling, kind, precision)
    renderer._tracer = replace(renderer._tracer, tiles=renderer._tiles)
    return renderer


def best_rate(work, units, seconds) -> float:
    if seconds:
        work()  # compiles
    best, begin = np.inf, time.perf_counter()
    while best == np.inf or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return units / best


def draw_scene(rng, number: int) -> dict[str, np.ndarray]:
    """Return scenes of isothermal lenses and sources, most of which form rings."""
    ranges = {"lens_center": 0.05, "lens_ellip": 0.2, "src_center": 0.2, "src_ellip": 0.3}
    scene = {f"{name}_{axis}": rng.uniform(-end, end, number) for name, end in ranges.items() for axis in "xy"}
    for name, low, high in (
        ("lens_intensity", 1, 1), ("lens_effect", 0.5, 0.5), ("lens_sersic", 3, 3), ("src_intensity", 1, 1),
        ("src_effect", 0.1, 0.4), ("src_sersic", 0.8, 2.5), ("einstein_radius_sie", 0.9, 1.3),
        ("shear_1", -0.05, 0.05), ("shear_2", -0.05, 0.05),
    ):  # fmt: skip
        scene[name] = rng.uniform(low, high, number)
    return scene


def draw_perturbers(rng, kind: str, number: int, masses: int) -> Perturbers:
    """Return masses in a disc of 2 arcsec: dN/dm ~ m^-1.9 from 1e6 to 1e10 solar masses, with a total of 3e10.

    The Einstein radius of 1e12 solar masses is 1.64 arcsec, for a lens at redshift 0.5 and a source at 1.
    """
    size = number, masses
    mass = (1e6**-0.9 + rng.uniform(size=size) * (1e10**-0.9 - 1e6**-0.9)) ** (-1 / 0.9)
    mass *= 3e10 / np.maximum(mass.sum(axis=1, keepdims=True), 1)
    radius, angle = 2 * np.sqrt(rng.uniform(size=size)), rng.uniform(0, 2 * np.pi, size)
    scale = 0.1 * (mass / 1e8) ** 0.4
    radii = () if kind == "point" else (scale, 5 * scale)
    return Perturbers(radius * np.cos(angle), radius * np.sin(angle), 1.64**2 * mass / 1e12, *radii)


def draw_vortex(rng, number: int) -> Perturbers:
    """Return 100 equal masses along a line, with a total of 3e10 solar masses."""
    x, y, angle = rng.uniform(-1, 1, number), rng.uniform(-1, 1, number), rng.uniform(0, 2 * np.pi, number)
    along = np.linspace(-0.5, 0.5, 100)
    x, y = (a[:, None] + np.outer(turn, along) for a, turn in ((x, np.cos(angle)), (y, np.sin(angle))))
    return Perturbers(x, y, np.full(x.shape, 1.64**2 * 3e8 / 1e12))
