"""Simulator of images of one lens galaxy and one source, observed with one telescope."""

import threading
from collections import Counter
from collections.abc import Sequence

import numpy as np

from stronglens import cosmology, telescope
from stronglens.lens_models import LENS_MODELS
from stronglens.parameters import Column, UsageError, columns, ranges
from stronglens.raytracing import (
    ImageRenderer,
    Perturbers,
    einstein_radius,
    has_gpu,
    needs_refinement,
    sersic_flux,
    source_flux_in_field,
)
from stronglens.sampling import Draws, Rule, Sampler, Stream, generator, key_words
from stronglens.simulation.clumps import draw_clumps, place_clumps
from stronglens.simulation.columns import CONVENTIONS, DERIVED_COLUMNS, LARGEST_ELLIPTICITY
from stronglens.simulation.instrument import make_telescope


class LensSimulator:
    """Simulate images of galaxy-galaxy strong lenses. A simulator is thread-safe.

    Parameters
    ----------
    parameters : Parameters
        Simulation parameters.
    threads : int, optional
        Number of CPU cores for rendering; by default all that this process may use.
    chunk_size : int
        Maximum number of images at once.
    on_device : bool, optional
        Whether images stay on JAX's device until they are recorded, by default only on a GPU. The noise then has
        other random numbers.

    Raises
    ------
    UsageError
        When the parameters contradict one another.
    """

    perturber_profile: str | None = None
    """Profile of the perturbers, or None."""

    def __init__(self, parameters, threads: int | None = None, chunk_size: int = 128, on_device: bool | None = None):
        self.parameters = parameters
        self.lens_model = LENS_MODELS[parameters.lens_model]
        source, lens = parameters.src_redshift_range, parameters.lens_redshift_range
        if source.high <= lens.low:
            raise UsageError(
                f"--src-redshift-range={source} is never behind --lens-redshift-range={lens}; the source must be "
                "behind the lens"
            )
        if self.lens_model.has_slope and parameters.einstein_radius_range is None:
            raise UsageError(f"--lens-model={parameters.lens_model} needs --einstein-radius-range")
        self.telescope = make_telescope(parameters)
        self.shape = (parameters.grid_size, parameters.grid_size)
        self.field = parameters.grid_size * parameters.pixel_scale
        self.ranges = ranges(parameters)
        self.most_clumps = getattr(parameters, "src_clumps", 0)  # a task may have smooth sources only
        self.rules = self._rules()
        self.chunk_size = chunk_size
        self._threads, self._on_device = threads, on_device
        self._device = telescope.DeviceTelescope(self.telescope)
        self._first_use, self._renderer = threading.Lock(), None

    @property
    def name(self) -> str:
        """Short description of the simulated images."""
        return f"{self.parameters.lens_model} lenses"

    @property
    def title(self) -> str:
        """What is simulated, in one line."""
        parameters = self.parameters
        side = parameters.grid_size
        camera = f"telescope {parameters.telescope}: {side}x{side} pixels of {parameters.pixel_scale:g} arcsec"
        return f"{self.name}, {camera}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the telescope's files, for the user."""
        return self.telescope.notes

    @property
    def has_own_light(self) -> bool:
        """Whether lenses have light with another ellipticity than that of their mass."""
        offsets = {"light-ellip-offset-x", "light-ellip-offset-y"}
        return self.parameters.lens_light == "on" and not offsets.isdisjoint(self.ranges)

    @property
    def is_noisy(self) -> bool:
        """Whether images have noise, from the telescope or relative to their peak."""
        return self.telescope.is_noisy or "peak-noise" in self.ranges

    @property
    def columns(self) -> dict[str, Column]:
        """The columns of ``labels.csv``: drawn columns first, then derived columns."""
        derived = ["einstein-radius", "magnification"]
        if self.lens_model.is_ellipsoid and "einstein-radius-sie" not in self.ranges:
            derived.insert(1, "einstein-radius-sie")
        if self.has_own_light:
            derived += ["light-ellip-x", "light-ellip-y"]
        if self.is_noisy:
            derived.append("snr")
        if self.most_clumps:
            derived.append("src-clumps")
        if self.parameters.snr_range is not None:
            derived.append("exposure-time")
        return columns(self.parameters) | {name: DERIVED_COLUMNS[name] for name in derived}

    @property
    def renderer(self) -> ImageRenderer:
        """The renderer, made on first use, so that parameters are checked without starting JAX."""
        with self._first_use:
            if self._renderer is None:
                self._renderer = ImageRenderer(
                    self.parameters.lens_model,
                    self.parameters.lens_light == "on",
                    self.shape,
                    self.parameters.pixel_scale,
                    self.parameters.over_sampling,
                    padding=self.telescope.padding,
                    chunk_size=self.chunk_size,
                    threads=self._threads,
                    perturbers=self.perturber_profile,
                    own_light=self.has_own_light,
                    clumps=self.most_clumps,
                    refine_source=needs_refinement(
                        self.parameters.src_effect_range.low,
                        self.parameters.src_sersic_range.high,
                        self.parameters.pixel_scale,
                        self.parameters.over_sampling,
                    ),
                )
            return self._renderer

    def simulate(self, indices: Sequence[int]) -> tuple[np.ndarray, Draws, Counter]:
        """Simulate images. Each image depends only on the seed and its own index.

        Parameters
        ----------
        indices : sequence of N int
            At most a chunk.

        Returns
        -------
        images : ndarray (N, H, W) float32, electrons/s
        labels : dict of column to ndarray (N,) float64
        rejected : Counter
            Number of rejected draws by reason.

        Raises
        ------
        RunError
            When no draw is accepted in the maximum number of tries.
        """
        images, labels, rejected = self._simulate(indices)
        return images, {name: labels[name] for name in self.columns}, rejected

    def _simulate(self, indices: Sequence[int]) -> tuple[np.ndarray, Draws, Counter]:
        """Like `simulate`, with all that was measured on the noiseless images among the labels."""
        sampler = self.draw(indices)
        rate, labels = self._observe(sampler.draws, indices)
        while True:
            reason, failed = self._refuse(labels)
            if not failed.any():
                break
            sampler.redraw(failed, reason)
            rows = np.flatnonzero(failed)
            draws = {name: values[rows] for name, values in sampler.draws.items()}
            again, found = self._observe(draws, np.asarray(indices)[rows])
            rate = _replace_rows(rate, rows, again)
            labels = {name: _replace_rows(values, rows, found[name]) for name, values in labels.items()}
        images = self._add_noise(rate, indices, labels.get("exposure-time"), labels.get("peak-noise"))
        return images, labels, sampler.rejected

    def draw(self, indices: Sequence[int]) -> Sampler:
        """Draw the parameters of images, subject to the rules that do not need the rendered image."""
        return Sampler(
            self.ranges, self.rules, self.parameters.seed, indices, self.parameters.tries, self._follow_from_draws
        )

    def complete(self, labels: Draws, indices: Sequence[int]) -> Draws:
        """Return labels and the parameters of clumps, which belong to the scene of an image but are not columns."""
        most = self.most_clumps
        return labels | (draw_clumps(most, self.parameters.seed, indices) if most else {})

    def physical_scene(self, draws: Draws) -> Draws:
        """Return the scene for the ray tracer, with the effects of redshift, in the units of the telescope.

        The surface brightness of the lens dims with redshift but its mass does not, so a mass-to-light ratio is divided
        by the factor of the intensity.

        Parameters
        ----------
        draws : dict of column to ndarray (N,)

        Returns
        -------
        dict of scene column to ndarray (N,)
        """
        scene = {name.replace("-", "_"): values for name, values in draws.items()}
        z_lens, z_source = scene["lens_redshift"], scene["src_redshift"]
        if self.parameters.redshift_effects == "none":
            z_lens, z_source = (np.full_like(z_lens, z) for z in cosmology.REFERENCE_REDSHIFTS)
            mass, lens_light, source_light = (np.ones_like(z_lens) for _ in range(3))
        else:
            mass = cosmology.convergence_scale(z_lens, z_source)
            lens_light = cosmology.surface_brightness_dimming(z_lens, cosmology.QUOTED_LENS_REDSHIFT)
            source_light = cosmology.surface_brightness_dimming(z_source, cosmology.QUOTED_SOURCE_REDSHIFT)
        lens_light = lens_light * self.telescope.intensity_unit
        source_light = source_light * self.telescope.intensity_unit

        for galaxy, light in (("src", source_light), ("lens", lens_light)):
            if f"{galaxy}_magnitude" in scene:  # observed, including dimming
                flux = 10 ** (0.4 * (self.telescope.zero_point - scene[f"{galaxy}_magnitude"]))
                area = self.telescope.pixel_scale**2
                scene[f"{galaxy}_intensity"] = flux * area / sersic_flux(scene, galaxy)
            else:
                scene[f"{galaxy}_intensity"] = scene[f"{galaxy}_intensity"] * light
        if self.lens_model.mass_follows_light:
            scene["disk_intensity"] = scene["disk_intensity"] * lens_light
            for name in ("masslight_ratio", "disk_masslight_ratio"):
                scene[name] = scene[name] * mass / lens_light
            scene["halo_kappa"] = scene["halo_kappa"] * mass
        elif "einstein_radius_sie" not in scene:
            radius = cosmology.isothermal_einstein_radius(scene["velocity_dispersion"], z_lens, z_source)
            scene["einstein_radius_sie"] = np.maximum(radius, 0)  # a rule rejects sources in front of the lens
        spacing = self.telescope.pixel_scale / self.parameters.over_sampling
        return scene | place_clumps(self.most_clumps, draws, scene, spacing)

    def render(self, scene: Draws, perturbers: Perturbers | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Render noiseless images of source and lens before the PSF, with a margin for the convolution."""
        return self.renderer(scene, perturbers)

    def noiseless(self, scene: Draws, perturbers: Perturbers | None = None) -> np.ndarray:
        """Return images with PSF and without noise: ndarray (N, H, W) float32, electrons/s."""
        return np.asarray(self._expose(scene, {}, perturbers)[0])[: len(scene["src_intensity"])]

    def describe(self) -> dict:
        """Return the entries on images and telescope in the manifest of a dataset."""
        camera = self.telescope
        return {
            "image-shape": list(self.shape),
            "image-unit": "e-/s",
            "telescope": {
                "name": self.parameters.telescope,
                "pixel-scale": camera.pixel_scale,
                "zero-point": camera.zero_point,
                "sky": camera.sky,
                "exposure-time": camera.exposure_time,
                "exposures": camera.exposures,
                "read-noise": camera.read_noise,
                "noise-correlation": camera.noise_correlation,
                "psf": None if camera.psf is None else [[float(f"{value:.9g}") for value in row] for row in camera.psf],
            },
            "conventions": CONVENTIONS,
        }

    def _is_on_device(self) -> bool:
        return has_gpu() if self._on_device is None else self._on_device

    def _follow_from_draws(self, draws: Draws, indices: np.ndarray) -> Draws:
        behind = draws["src-redshift"] > draws["lens-redshift"]
        safe = draws | {"src-redshift": np.where(behind, draws["src-redshift"], draws["lens-redshift"] + 1e-3)}
        scene = self.physical_scene(safe)
        derived = {"einstein-radius": einstein_radius(self.parameters.lens_model, scene)}
        if self.lens_model.is_ellipsoid:
            derived["einstein-radius-sie"] = scene["einstein_radius_sie"]
        if self.has_own_light:
            for axis in ("x", "y"):
                offset = draws.get(f"light-ellip-offset-{axis}", 0)
                derived[f"light-ellip-{axis}"] = draws[f"lens-ellip-{axis}"] + offset
        return self.complete(derived, indices)

    def _rules(self) -> list[Rule]:
        """Return all rules on combinations of parameters."""
        rules = [
            Rule(
                "source-before-lens",
                lambda draws: draws["src-redshift"] > draws["lens-redshift"],
                "move --src-redshift-range beyond --lens-redshift-range",
            )
        ]
        remedies = {galaxy: f"narrow --{galaxy}-ellip-var" for galaxy in ("lens", "disk", "src")}
        if self.has_own_light:
            remedies["light"] = "narrow --light-ellip-offset-var or --lens-ellip-var"
        for galaxy, remedy in remedies.items():
            if galaxy == "light" or f"{galaxy}-ellip-x" in self.ranges:
                rules.append(
                    Rule(
                        f"{galaxy}-too-elliptical",
                        lambda draws, galaxy=galaxy: (
                            np.hypot(draws[f"{galaxy}-ellip-x"], draws[f"{galaxy}-ellip-y"]) < LARGEST_ELLIPTICITY
                        ),
                        remedy,
                    )
                )
        rules.append(
            Rule(
                "ring-outside-field",
                lambda draws: (
                    draws["einstein-radius"] + np.hypot(draws["lens-center-x"], draws["lens-center-y"])
                    <= self.field / 2
                ),
                "lower the lens mass, or enlarge the field with --grid-size or --pixel-scale",
            )
        )
        return rules

    def perturbers(self, draws: Draws, indices: Sequence[int]) -> Perturbers | None:
        """Return the perturbers of the smooth lenses, here None."""
        return None

    def _observe(self, draws: Draws, indices: Sequence[int]) -> tuple[np.ndarray, Draws]:
        """Render images and convolve them with the PSF; return the rate of all light and the labels."""
        scene = self.physical_scene(draws)
        rate, measured = self._expose(scene, draws, self.perturbers(draws, indices))
        labels = dict(draws)
        labels["magnification"] = measured["flux"] / source_flux_in_field(
            scene, self.shape, self.parameters.pixel_scale
        )
        labels |= {name.replace("_", "-"): values for name, values in measured.items() if name != "flux"}
        return rate, labels

    def _expose(self, scene: Draws, draws: Draws, perturbers: Perturbers | None):
        """Return noiseless images with PSF and the labels from them (see `telescope.observe`)."""
        wanted = [draws.get(name) for name in ("snr-wanted", "exposure-time", "peak-noise")]
        if self._is_on_device():
            wanted = [None if values is None else self._pad(values) for values in wanted]
            rendered = self.renderer.render_on_device(scene, perturbers)
            rate, measured = self._device.observe(*rendered, *wanted)
        else:
            rendered = self.render(scene, perturbers)
            rate, measured = telescope.observe(*rendered, self.telescope, *wanted)
        return rate, {name: values[: len(scene["src_intensity"])] for name, values in measured.items()}

    def _add_noise(self, rate, indices: Sequence[int], *drawn: np.ndarray | None) -> np.ndarray:
        if not self._is_on_device():
            noise = [generator(self.parameters.seed, Stream.NOISE, index) for index in indices]
            return telescope.add_noise(rate, self.telescope, noise, *drawn)
        keys = self._pad(np.stack([key_words(self.parameters.seed, Stream.NOISE, index) for index in indices]))
        drawn = [None if values is None else self._pad(values) for values in drawn]
        return self._device.add_noise(rate, keys, *drawn)[: len(indices)]

    def _pad(self, rows: np.ndarray) -> np.ndarray:
        """Return rows of a full chunk; the last row is repeated."""
        return rows[np.minimum(np.arange(self.chunk_size), len(rows) - 1)]

    def _refuse(self, labels: Draws) -> tuple[str, np.ndarray]:
        """Return a reason, and a mask of the images that are rejected for it."""
        faint = labels["magnification"] < self.parameters.magnification_min
        if faint.any() or not self.is_noisy:
            return "magnification-min", faint
        return "snr-min", labels["snr"] < self.parameters.snr_min


def _replace_rows(array, rows: np.ndarray, values):
    """Return a NumPy or JAX array with some rows replaced by the first of ``values``."""
    values = values[: len(rows)]
    if not isinstance(array, np.ndarray):
        return array.at[rows].set(values)
    array = array.copy()
    array[rows] = values
    return array
