"""Images of lenses, and of galaxies that look like lenses, in the bands of Euclid."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from stronglens.finding.camera import BANDS, FINE, RATIO, BandCamera
from stronglens.finding.classes import GROUPS, KINDS
from stronglens.finding.columns import COLUMNS, CONVENTIONS, MIDDLE_COLUMNS, NO_LIGHT
from stronglens.finding.compounds import COMPOUND_KINDS, add_middle, choose_compounds
from stronglens.finding.labels import LENS, NON_LENS, label_images
from stronglens.finding.light import Light, LightRenderer
from stronglens.finding.multiplicity import count_images
from stronglens.finding.non_lenses import NONLENS_SHARES, draw_kinds, draw_scenes
from stronglens.parameters import Column, RunError, UsageError
from stronglens.sampling import Draws, Stream, generator

MEASURED = ("magnification", "arc-pixels", "source-images", "snr", "middle-snr")

RULE_BAND = "VIS"
"""The band in which the rule for lenses is applied, so that a group does not depend on the bands of a dataset."""


class FindingSimulator:
    """Simulate images with and without a lens. A simulator is thread-safe.

    Parameters
    ----------
    parameters : FindingSimulation
    threads : int, optional
        Threads that render images; by default one for each core.
    chunk_size : int
        Maximum number of images at once.

    Raises
    ------
    UsageError
        When the parameters contradict one another.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, parameters, threads: int | None = None, chunk_size: int = 128):
        self.parameters = parameters
        self.bands = _check_bands(parameters.bands)
        self.shares = _read_shares(parameters.nonlens_shares)
        self.compound_share = parameters.compound_share or float(parameters.compound is not None)
        if not any(np.isclose(parameters.pixel_scale, (FINE, RATIO * FINE))):
            raise UsageError(f"--pixel-scale={parameters.pixel_scale:g} must be 0.1 or 0.3 arcsec")
        coarse = parameters.pixel_scale > 2 * FINE
        side = parameters.grid_size * (RATIO if coarse else 1)
        if side % RATIO and set(self.bands) != {RULE_BAND}:
            raise UsageError(
                f"--grid-size={side} must be a multiple of 3: Y, J and H have pixels three times larger than 0.1 arcsec"
            )
        padding = max(BANDS[name].padding for name in (*self.bands, RULE_BAND))
        self.cameras = {name: BandCamera(BANDS[name], side, padding, coarse) for name in self.bands}
        self._rule_camera = BandCamera(BANDS[RULE_BAND], side, padding, coarse)
        self._inside = slice(padding, padding + side)
        self.field_radius = side * FINE / 2
        self.renderer = LightRenderer(side, padding, parameters.over_sampling, chunk_size, threads)

    @property
    def title(self) -> str:
        """What is simulated."""
        side = self.parameters.grid_size
        images = f"{side}x{side} pixels of {self.parameters.pixel_scale:g} arcsec, {', '.join(self.bands)}"
        return f"images with and without a lens ({images})"

    @property
    def columns(self) -> dict[str, Column]:
        """The columns of ``labels.csv``; those of middle galaxies only in datasets with compound lenses."""
        return COLUMNS | (MIDDLE_COLUMNS if self.compound_share else {})

    def describe(self) -> dict:
        """Return the entries on images and telescope in the manifest of a dataset."""
        side, cameras = self.parameters.grid_size, list(self.cameras.values())
        return {
            "image-shape": [side, side, len(cameras)] if len(cameras) > 1 else [side, side],
            "image-unit": "e-/s",
            "bands": list(self.bands),
            "classes": list(GROUPS),
            "kinds": list(KINDS),
            "telescope": {
                "name": "euclid",
                "pixel-scale": self.parameters.pixel_scale,
                "zero-point": cameras[0].zero_point,
                "psf": None,
                "bands": {camera.band.name: camera.describe() for camera in cameras},
            },
            "conventions": CONVENTIONS,
        }

    def simulate(self, indices: Sequence[int], without: Sequence[str] = ()) -> tuple[np.ndarray, Draws, Counter]:
        """Simulate images. Each depends on the seed and its own index alone.

        Parameters
        ----------
        indices : sequence of N int
            At most a chunk.
        without : sequence of str
            Components that are drawn and measured, but not in the images, such as ``src``. The noise is that of the
            images with them.

        Returns
        -------
        images : ndarray (N, H, W) or (N, H, W, B) float32, e-/s
        labels : dict of column to ndarray (N,) float64
        rejected : Counter
            Number of rejected draws by reason.

        Raises
        ------
        RunError
            When no draw is accepted in the maximum number of tries.
        """
        parameters, indices = self.parameters, np.asarray(indices)
        kinds = draw_kinds(parameters.seed, indices, self.shares, parameters.lens_share)
        kinds = choose_compounds(parameters.seed, indices, kinds, parameters.compound, self.compound_share)
        side = parameters.grid_size
        images = np.empty((len(indices), side, side, len(self.bands)), np.float32)
        labels = {name: np.empty(len(indices)) for name in self.columns}
        rejected: Counter[str] = Counter()
        attempts, rows = np.zeros(len(indices), int), np.arange(len(indices))
        while len(rows):
            draws = self.draw(indices[rows], kinds[rows], attempts[rows])
            lights = self.renderer(draws, kinds[rows])
            found = self._measure(draws, lights, kinds[rows])
            reasons = self._refuse(found)
            rejected.update(reasons[reasons != ""].tolist())
            accepted = reasons == ""
            images[rows[accepted]] = self._observe(draws, lights, indices[rows], accepted, without)
            for name, values in labels.items():
                values[rows[accepted]] = found[name][accepted]
            rows = rows[~accepted]
            attempts[rows] += 1
            if np.any(attempts[rows] >= parameters.tries):
                raise RunError(f"no image accepted in {parameters.tries} tries: {dict(rejected)}; lower --snr-min")
        return images if len(self.bands) > 1 else images[..., 0], labels, rejected

    def draw(self, indices: np.ndarray, kinds: np.ndarray, attempts: np.ndarray) -> Draws:
        """Draw scenes of N images of given kinds after some rejected attempts, each (N,) int."""
        seed = self.parameters.seed
        draws = draw_scenes(seed, indices, kinds, attempts, self.field_radius, self.parameters.snr_min)
        return add_middle(seed, indices, kinds, attempts, draws) if self.compound_share else draws

    def _measure(self, draws: Draws, lights: Sequence[Light], kinds: np.ndarray) -> Draws:
        """Return the columns of images: draws, and what is measured on the light of the source."""
        measured = {name: np.zeros(len(kinds)) for name in MEASURED}
        band = BANDS[RULE_BAND]
        for light in lights:
            if light.component not in ("src", "middle"):
                continue
            rows = light.rows
            arcs = self._rule_camera.blur(light.planes) * _flux(light, draws, band.name)[:, None, None]
            rate = self._rule_camera.blur(self._sum(draws, lights, band.name, rows))
            snr = np.sqrt(_sum_pixels((arcs / band.deviation(rate)) ** 2))
            if light.component == "middle":
                measured["middle-snr"][rows] = snr
                continue
            measured["snr"][rows] = snr
            measured["magnification"][rows] = _sum_pixels(light.planes[:, self._inside, self._inside])
            measured["arc-pixels"][rows] = np.sum(arcs > band.noise, axis=(1, 2))
            measured["source-images"][rows] = count_images({name: values[rows] for name, values in draws.items()})
        columns = draws | measured | {"kind": kinds.astype(float)}
        columns["group"] = label_images(
            columns["magnification"], columns["arc-pixels"], columns["source-images"], columns["einstein-radius-sie"]
        ).astype(float)
        return {name: np.where(np.isposinf(columns[name]), NO_LIGHT, columns[name]) for name in self.columns}

    def _refuse(self, found: Draws) -> np.ndarray:
        """Return why images are drawn again, (N,) str: empty if they are not."""
        has_two_sources = np.isin(found["kind"], [KINDS.index(kind) for kind in ("compound-rings", "compound-arcs")])
        is_lens = np.isin(found["kind"], (0, *COMPOUND_KINDS))
        reasons = np.full(len(is_lens), "", dtype="U32")
        reasons[~is_lens & (found["group"] == LENS)] = "single-image-is-a-lens"
        reasons[is_lens & (found["snr"] < self.parameters.snr_min)] = "snr-min"
        if has_two_sources.any():
            reasons[has_two_sources & (found["middle-snr"] < self.parameters.snr_min)] = "middle-snr-min"
        reasons[is_lens & (found["group"] == NON_LENS)] = "lens-is-none"
        return reasons

    def _observe(
        self, draws: Draws, lights: Sequence[Light], indices: np.ndarray, accepted: np.ndarray, without: Sequence[str]
    ) -> np.ndarray:
        """Return the images (M, H, W, B) of accepted rows, without some components."""
        rows = np.flatnonzero(accepted)
        shown = [light for light in lights if light.component not in without]
        seen = []
        for name, camera in self.cameras.items():
            key = list(BANDS).index(name)  # the noise of a band does not depend on the other bands
            noise = [generator(self.parameters.seed, Stream.NOISE, int(index), key) for index in indices[rows]]
            rate = camera.blur(self._sum(draws, lights, name, rows))
            seen.append(
                camera.record(rate, noise, camera.blur(self._sum(draws, shown, name, rows)) if without else None)
            )
        return np.stack(seen, axis=-1)

    def _sum(self, draws: Draws, lights: Sequence[Light], band: str, rows: np.ndarray) -> np.ndarray:
        """Return the light of all components of the images in some rows, (M, F, F), e-/s."""
        total = np.zeros((len(rows), *lights[0].planes.shape[1:]), np.float32)
        place = dict(zip(rows.tolist(), total, strict=True))
        for light in lights:
            # One image at a time, since large images do not fit in the cache together.
            for row, plane, flux in zip(light.rows.tolist(), light.planes, _flux(light, draws, band), strict=True):
                if row in place:
                    place[row] += flux * plane
        return total


def _flux(light: Light, draws: Draws, band: str) -> np.ndarray:
    """Return the fluxes (M,) of a component in a band, e-/s."""
    magnitude = draws[f"{light.component}-magnitude-{band.lower()}"][light.rows]
    return (10 ** (0.4 * (BANDS[band].zero_point - magnitude))).astype(np.float32)


def _sum_pixels(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).sum(axis=1, dtype=float)


def _check_bands(names: Sequence[str]) -> tuple[str, ...]:
    bands = tuple(name.upper() for name in names)
    unknown = [name for name in bands if name not in BANDS]
    if unknown or not bands or len(set(bands)) < len(bands):
        raise UsageError(f"--bands={','.join(names)} must be different bands of {','.join(BANDS)}")
    return bands


def _read_shares(words: Sequence[str]) -> dict[str, float]:
    shares = {}
    for word in words:
        kind, _, share = word.partition("=")
        try:
            shares[kind] = float(share)
        except ValueError:
            shares[kind] = -1.0
        if kind not in NONLENS_SHARES or not 0 <= shares[kind] < np.inf:
            raise UsageError(
                f"--nonlens-shares: {word!r} must be KIND=SHARE, with a kind of {', '.join(NONLENS_SHARES)}"
            )
    if not sum(shares.values()) > 0:
        raise UsageError("--nonlens-shares must have a share above 0")
    return {kind: share for kind, share in shares.items() if share}
