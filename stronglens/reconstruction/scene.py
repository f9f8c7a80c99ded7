"""Lensed images of galaxies on a fine grid, and these galaxies on the grid that is to be recovered.

The images are rendered by PyAutoLens's ray tracing from sources of four times the recovered resolution, with more rays
than the forward operator of the networks has: images that the operator itself had made would be recovered too well
("inverse crime"; Kaipio & Somersalo 2007, J. Comput. Appl. Math. 198, 493).
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np

from stronglens.lens_models import ISOTHERMAL
from stronglens.observation.deep_field import read_deep_field
from stronglens.observation.galaxies import Galaxy
from stronglens.observation.source_images import read_source_images
from stronglens.parameters import Column, UsageError, columns, ranges
from stronglens.raytracing.pixelised import brightness_at, start_rays, trace_rays
from stronglens.reconstruction.galaxies import SourceGalaxies, draw_galaxies
from stronglens.sampling import Draws, Sampler
from stronglens.telescope import read_psf

SOURCES = "sources"
"""Name of the array of true sources in a dataset."""

FINER = 4
"""Pixels of the rendered source along each side of a recovered pixel."""

RENDERED_RAYS, OPERATOR_RAYS = 3, 2
"""Rays along each side of an image pixel: of the rendered images, and of the networks' forward operator."""

NOT_DRAWN = ("src-radius", "peak-noise", "psf-fwhm")
"""Ranges that the sampler does not draw: the galaxy's size follows from its shape, the observation is drawn later."""

RADIUS_BINS = (0.4, 0.7, 1.0, 2.0)
"""Einstein radii [arcsec] that divide the counts of rejected draws."""

DERIVED_COLUMNS = {
    column.name: column
    for column in (
        Column(
            "lens-ellip-x", None, r"e_{x,\rm lens}", "cosine component (1-q)/(1+q) cos 2phi of the lens's ellipticity",
            drawn=False, spin=2, pair=("lens-ellip-x", "lens-ellip-y"),
        ),
        Column(
            "lens-ellip-y", None, r"e_{y,\rm lens}", "sine component (1-q)/(1+q) sin 2phi of the lens's ellipticity",
            drawn=False, spin=2, pair=("lens-ellip-x", "lens-ellip-y"),
        ),
        Column(
            "shear-1", None, r"\gamma_1", "component gamma_1 of the external shear: stretch along x",
            drawn=False, spin=2, pair=("shear-1", "shear-2"),
        ),
        Column(
            "shear-2", None, r"\gamma_2", "component gamma_2 of the external shear: stretch along the diagonal",
            drawn=False, spin=2, pair=("shear-1", "shear-2"),
        ),
        Column("src-radius", "arcsec", r"R_{\rm src}", "half-light radius of the source", drawn=False),
        Column(
            "src-photograph", None, r"{\rm galaxy}",
            "identity of the photographed galaxy: first 52 bits of the checksum of its pixels; 0 for model galaxies",
            drawn=False,
        ),
        Column(
            "magnification", None, r"\mu", "flux of the image over flux of the source, within their fields", drawn=False
        ),
        Column(
            "operator-error", None, r"\sigma_A",
            "RMS difference of the image and the forward operator's image of the true source; the source's peak is 1",
            drawn=False,
        ),
    )
}  # fmt: skip

CONVENTIONS = {
    "axes": "x to the right, y up, arcsec, origin at the image centre; row 0 of an image is its top",
    "pixels": "surface brightness; the largest pixel of the rendered source is 1; no PSF, no noise",
    "sources": "surface brightness of the source, unlensed, about the same origin",
    "ellipticity": "(1-q)/(1+q) times (cos 2phi, sin 2phi) in (ellip-x, ellip-y), phi from +x towards +y",
    "shear": "deflection (shear-1 x + shear-2 y, shear-2 x - shear-1 y)",
}


class ReconstructionSimulator:
    """Simulate lensed galaxies and their sources. Several threads may call one simulator at once.

    Parameters
    ----------
    parameters : ReconstructionSimulation
    threads : int, optional
        Threads that render images; by default one.

    Raises
    ------
    UsageError
        When the parameters contradict one another.
    RunError
        When the files of ``--source-images`` or ``--psf-fits`` cannot be used.
    """

    def __init__(self, parameters, threads: int | None = None):
        if parameters.source_grid_size % 4:
            raise UsageError(f"--source-grid-size={parameters.source_grid_size} must be a multiple of 4")
        self.parameters = parameters
        self.side, self.fine_side = parameters.source_grid_size, FINER * parameters.source_grid_size
        self.ranges = {name: values for name, values in ranges(parameters).items() if name not in NOT_DRAWN}
        self.notes: tuple[str, ...] = ()
        self.psf = None
        if parameters.psf_fits:
            self.psf, self.notes = read_psf(parameters.psf_fits, parameters.pixel_scale)
        self._rays = {
            number: start_rays((parameters.grid_size,) * 2, parameters.pixel_scale, number)
            for number in (RENDERED_RAYS, OPERATOR_RAYS)
        }
        self._threads = ThreadPoolExecutor(threads or 1)
        draw_galaxies(0, [], (), 0.0, self.fine_side, parameters.source_field, self._radii)  # checks the radii

    @property
    def title(self) -> str:
        """What is simulated."""
        parameters = self.parameters
        images = f"{parameters.grid_size}x{parameters.grid_size} pixels of {parameters.pixel_scale:g} arcsec"
        sources = f"{self.side}x{self.side} pixels of {parameters.source_field / self.side:.3g} arcsec"
        return f"lensed galaxies ({images}) and their sources ({sources})"

    @property
    def columns(self) -> dict[str, Column]:
        """The columns of ``labels.csv``: drawn columns, then derived columns."""
        drawn = {name: column for name, column in columns(self.parameters).items() if name not in NOT_DRAWN}
        return drawn | DERIVED_COLUMNS

    @cached_property
    def photographs(self) -> list[Galaxy]:
        """The photographed galaxies."""
        if not self.parameters.real_share:
            return []
        if self.parameters.source_images is None:
            return read_deep_field()
        return read_source_images([self.parameters.source_images])[0]

    def describe(self) -> dict:
        """Return what the manifest of a dataset states about its images, apart from the parameters."""
        parameters = self.parameters
        return {
            "image-shape": [parameters.grid_size] * 2,
            "arrays": {SOURCES: [self.side] * 2},
            "image-unit": "source peak",
            "telescope": {
                "name": "none",
                "pixel-scale": parameters.pixel_scale,
                "zero-point": None,
                "psf": None if self.psf is None else [[float(f"{value:.9g}") for value in row] for row in self.psf],
            },
            "photographs": len(self.photographs),
            "conventions": CONVENTIONS,
        }

    def simulate(self, indices: Sequence[int]) -> tuple[np.ndarray, Draws, Counter, dict[str, np.ndarray]]:
        """Simulate some images. Each depends on the seed and its own index alone.

        Parameters
        ----------
        indices : sequence of N int

        Returns
        -------
        images : ndarray (N, H, W) float32
            Surface brightness; the peak of the source is 1.
        labels : dict of column to ndarray (N,) float64
        rejected : Counter
            Number of rejected draws, by reason.
        others : dict
            ``sources``: ndarray (N, S, S) float32.

        Raises
        ------
        RunError
            When no draw reaches the required magnification.
        """
        parameters, indices = self.parameters, np.asarray(indices)
        sampler = Sampler(self.ranges, (), parameters.seed, indices, parameters.tries, derive_components)
        galaxies = draw_galaxies(
            parameters.seed, indices, self.photographs, parameters.real_share, self.fine_side, parameters.source_field,
            self._radii,
        )  # fmt: skip
        images = np.empty((len(indices), parameters.grid_size, parameters.grid_size), np.float32)
        magnification = np.empty(len(indices))
        rows = np.arange(len(indices))
        while len(rows):
            lenses = [{name: values[row] for name, values in sampler.draws.items()} for row in rows]
            for row, image in zip(rows, self._threads.map(self.render, lenses, galaxies.images[rows]), strict=True):
                images[row] = image
                flux = galaxies.images[row].mean() * parameters.source_field**2
                magnification[row] = image.sum() * parameters.pixel_scale**2 / flux
            failed = np.zeros(len(indices), bool)
            failed[rows] = magnification[rows] < parameters.magnification_min
            radius, at = sampler.draws["einstein-radius-sie"].copy(), np.flatnonzero(failed)
            for low, high in zip((0, *RADIUS_BINS), (*RADIUS_BINS, np.inf), strict=True):
                if (of_bin := failed & (radius >= low) & (radius < high)).any():
                    sampler.redraw(of_bin, f"magnification-min at {_describe_bin(low, high)}")
            rows = at
        sources = galaxies.images.reshape(len(indices), self.side, FINER, self.side, FINER).mean(axis=(2, 4))
        labels = sampler.draws | self._describe_galaxies(galaxies) | {"magnification": magnification}
        labels["operator-error"] = self._measure_operator(sampler.draws, sources, images)
        return images, {name: labels[name] for name in self.columns}, sampler.rejected, {SOURCES: sources}

    def render(self, lens: dict[str, float], source: np.ndarray, rays: int = RENDERED_RAYS) -> np.ndarray:
        """Return the image of a source behind a lens, without a PSF.

        Parameters
        ----------
        lens : dict of column to float
        source : ndarray (S, S) of any resolution, in the source's field
        rays : {3, 2}, along each side of a pixel

        Returns
        -------
        ndarray (H, H)
        """
        side, pixel = self.parameters.grid_size, self.parameters.source_field / len(source)
        scene = {name.replace("-", "_"): value for name, value in lens.items()} | NO_LIGHT
        y, x = trace_rays(ISOTHERMAL, scene, self._rays[rays]).T
        middle = np.full(2, (len(source) - 1) / 2)
        image = np.zeros(len(y))
        # Rays that end outside the field see nothing.
        reach = self.parameters.source_field / 2 + pixel
        inside = (np.abs(y) < reach) & (np.abs(x) < reach)
        image[inside] = brightness_at(source, middle, pixel, np.stack([-y[inside], x[inside]], axis=1))
        return image.reshape(side, side, rays * rays).mean(axis=-1)

    @property
    def _radii(self) -> tuple[float, float]:
        return self.parameters.src_radius_range.low, self.parameters.src_radius_range.high

    def _describe_galaxies(self, galaxies: SourceGalaxies) -> Draws:
        return {"src-radius": galaxies.radii, "src-photograph": (galaxies.checksums >> np.uint64(12)).astype(float)}

    def _measure_operator(self, draws: Draws, sources: np.ndarray, images: np.ndarray) -> np.ndarray:
        lenses = [{name: values[row] for name, values in draws.items()} for row in range(len(images))]
        again = self._threads.map(lambda lens, source: self.render(lens, source, OPERATOR_RAYS), lenses, sources)
        return np.array([np.sqrt(np.mean((one - image) ** 2)) for one, image in zip(again, images, strict=True)])


NO_LIGHT = {"lens_center_x": 0.0, "lens_center_y": 0.0, "lens_intensity": 0.0, "lens_effect": 1.0, "lens_sersic": 1.0}
"""What the ray tracer needs of a lens beyond the drawn columns: the centre, and light that does not shine."""


def derive_components(draws: Draws, indices: np.ndarray | None = None) -> Draws:
    """Return the components of ellipticity and shear that follow from drawn moduli and angles.

    Parameters
    ----------
    draws : dict of (N,) arrays
        ``lens-flattening`` (1 - q), ``lens-angle`` (deg), ``shear`` and ``shear-angle`` (deg).
    indices : unused, for `Sampler`
    """
    ellipticity = draws["lens-flattening"] / (2 - draws["lens-flattening"])
    twice, shear_twice = 2 * np.deg2rad(draws["lens-angle"]), 2 * np.deg2rad(draws["shear-angle"])
    return {
        "lens-ellip-x": ellipticity * np.cos(twice),
        "lens-ellip-y": ellipticity * np.sin(twice),
        "shear-1": draws["shear"] * np.cos(shear_twice),
        "shear-2": draws["shear"] * np.sin(shear_twice),
    }


def _describe_bin(low: float, high: float) -> str:
    return f'Einstein radius {low:g}-{high:g}"' if np.isfinite(high) else f'Einstein radius above {low:g}"'
