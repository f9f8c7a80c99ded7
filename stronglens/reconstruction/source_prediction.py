"""Reconstruct the sources of measured images with a trained network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from stronglens.measuring import Prediction, damaged_record
from stronglens.measuring.results import PreparedImage
from stronglens.observation.galaxies import half_light
from stronglens.reconstruction.calibration import half_widths
from stronglens.reconstruction.network import INVERSIONS, build_imager, camera_of, compile_shared
from stronglens.reconstruction.observing import typical_noise
from stronglens.reconstruction.training_ranges import compare_lens, compare_observation, read_training_ranges
from stronglens.telescope import measure_fwhm

HEADERS = (
    "source-flux", "source-peak", "source-half-light-radius [arcsec]", "magnification", "chi2", "chi2-of-inversion",
)  # fmt: skip
"""Predicted numbers. Flux and peak are in the unit of the file: the flux is summed over pixels of the file's size."""

NOISE_ALLOWANCE = 1.2
"""Largest chi^2 per pixel without a warning where noise dominates: noise is rarely known to better than 10 %."""

SIGNIFICANCE = 5.0
"""Standard deviations of the mean of chi^2, sqrt(2 / pixels), which may exceed that allowance in small images."""

OPERATOR_ALLOWANCE = 2.0
"""Largest ratio of the mean square residual and the operator's, without noise and without a warning.

With the true lens model it was at most 1.5 in 128 validation images: the operator's error differs between images."""

EDGE = 0.05
"""Largest mean brightness of a side of the source's field, over the peak, without a warning.

It was at most 0.02 in validation images with up to 10 % noise."""

SIDE = 2
"""Width of the side of a field, pixels of the source."""


@dataclass(frozen=True)
class SourcePrediction(Prediction):
    """The source behind a lens, and its image. Surface brightness is in the unit of the file's pixels.

    Attributes
    ----------
    source, inversion : ndarray (S, S)
        The network's source, and the regularised non-negative inversion.
    sigma : ndarray (S, S) or None
        Half-width of the interval that holds 68 % of the errors; None if the network gives none.
    image, model, residuals, noise : ndarray (H, H)
        Observed image, image of the source, their difference over its standard deviation, and the noise. NaN in
        excluded pixels, except for the model.
    lens : tuple of 7 float, `LENS_COLUMNS`
        Relative to the centre of the cut-out; the mean of several.
    fwhm : float or None, arcsec
        Of the Gaussian point-spread function; None if the network has a measured one.
    limit : float
        Largest chi^2 per pixel without a warning.
    """

    source: np.ndarray | None = None
    inversion: np.ndarray | None = None
    sigma: np.ndarray | None = None
    image: np.ndarray | None = None
    model: np.ndarray | None = None
    residuals: np.ndarray | None = None
    noise: np.ndarray | None = None
    lens: tuple[float, ...] = ()
    fwhm: float | None = None
    limit: float = np.inf


class SourcePredictor:
    """Reconstruct the sources of prepared images.

    Parameters
    ----------
    parameters : ReconstructionTraining
    network : keras.Model
    record : mapping
        As saved with the network.
    lenses : ndarray (D, 7), `LENS_COLUMNS`
        Relative to the requested centre of the cut-out. Sources and their images are averaged over several lens models.

    Raises
    ------
    RunError
        When the record does not describe the network.
    """

    def __init__(self, parameters, network, record: Mapping, lenses: np.ndarray):
        self.parameters, self.network, self.lenses = parameters, compile_shared(network), lenses
        self.ranges = read_training_ranges(parameters, record)
        try:
            self.camera, self.calibration = camera_of(network), record["calibration"]
            self.has_sigma = record["network"] != "none"
        except (StopIteration, KeyError):
            raise damaged_record(parameters.model_file) from None
        self.imager = build_imager(self.camera)
        self.imager.compile(jit_compile=True)
        self._width_of_file = lru_cache(maxsize=16)(measure_fwhm)

    @property
    def source_pixel(self) -> float:
        """Pixel scale of the sources, arcsec."""
        return self.camera.source_field / self.camera.source_side

    def __call__(self, prepared: Sequence[PreparedImage]) -> list[SourcePrediction]:
        """Return the prediction for each image."""
        hidden = np.stack([one.prepared.mask for one in prepared])
        images = np.stack([np.asarray(one.prepared.image, float) for one in prepared])
        noise = np.stack([np.asarray(one.prepared.noise, float) for one in prepared])
        images[hidden], noise[hidden] = 0.0, np.inf
        peaks = images.max(axis=(1, 2))
        widths = [self._find_width(one) for one in prepared]
        lenses = np.stack([self._place_lenses(one) for one in prepared], axis=1)
        fwhm = np.array([[width or 0.0] for width, _ in widths])
        # The network expects sources whose peak is about 1. That of the image is a first guess.
        scale = np.where(peaks > 0, peaks, 1.0)
        inversion = self._run(images, noise, lenses.mean(axis=0), fwhm, scale)[:, INVERSIONS.index("non-negative")]
        brightest = np.nan_to_num(inversion.max(axis=(1, 2)))
        scale = scale * np.where(brightest > 0, brightest, 1.0)
        # Over the lens models: means of source, inversion and their images; variance of the source.
        found = [self._reconstruct(images, noise, lens, fwhm, scale) for lens in lenses]
        sources, models, widths_68 = (np.array(values) for values in zip(*found, strict=True))
        sigma = np.sqrt((widths_68**2).mean(axis=0) + sources[:, :, 0].var(axis=0))
        sources, models = sources.mean(axis=0), models.mean(axis=0)
        done = []
        for row, one in enumerate(prepared):
            problem = None
            if peaks[row] <= 0:
                problem = "no pixel that is not masked is brighter than zero: there is no image of a source"
            elif not (np.isfinite(sources[row]).all() and np.isfinite(sigma[row]).all()):
                problem = "the network returned NaN or infinity"
            elif brightest[row] <= 0:
                problem = "the inversion is zero: in this lens model no light comes from the source's field"
            if problem:
                done.append(SourcePrediction(np.full(len(HEADERS), np.nan), problem=problem))
                continue
            done.append(
                self._describe(
                    one, images[row], noise[row], sources[row], models[row], sigma[row], scale[row],
                    tuple(map(float, lenses[:, row].mean(axis=0))), *widths[row],
                )
            )  # fmt: skip
        return done

    def _describe(
        self, one: PreparedImage, image: np.ndarray, noise: np.ndarray, sources: np.ndarray, models: np.ndarray,
        sigma: np.ndarray, scale: float, lens: tuple[float, ...], fwhm: float | None, notes: list[str],
    ) -> SourcePrediction:  # fmt: skip
        """Return the prediction of one image; sources, models and sigma are in units of ``scale``."""
        seen = np.isfinite(noise)
        deviation = np.hypot(noise, scale * self.camera.operator_error)
        residuals = np.where(seen, (image - scale * models) / deviation, np.nan)
        chi2, of_inversion = np.nanmean(residuals**2, axis=(1, 2))
        limit = self._chi2_limit(noise[seen], scale)
        source, inversion = sources
        area = (self.source_pixel / self.camera.pixel_scale) ** 2
        flux = scale * source.sum() * area
        light = np.maximum(source, 0)
        radius = half_light(light)[1] * self.source_pixel if light.any() else np.nan
        # A pixel of the network holds the flux of several pixels of the file.
        density = (one.observation.pixel_scale / self.camera.pixel_scale) ** 2
        of_file = scale * density
        peak, magnification = source.max() * of_file, scale * models[0].sum() / flux
        warnings = [
            *self._judge_chi2(chi2, of_inversion, limit),
            *_judge_edge(source),
            *compare_lens(lens, self.ranges),
        ]
        noise_of_peak = float(np.median(noise[seen]) / image.max())
        drawn = f"source and model are averages over {len(self.lenses)} draws of the lens model"
        notes = [
            *warnings,
            *[drawn] * (len(self.lenses) > 1),
            *notes,
            *compare_observation(lens, noise_of_peak, fwhm, self.ranges, self.camera.pixel_scale),
        ]
        return SourcePrediction(
            np.array([flux, peak, radius, magnification, chi2, of_inversion]),
            notes=tuple(notes),
            warnings=tuple(warnings),
            cells={"unit": one.observation.unit},
            source=source * of_file,
            inversion=inversion * of_file,
            sigma=sigma * of_file if self.has_sigma else None,
            image=np.where(seen, image, np.nan) * density,
            model=models[0] * of_file,
            residuals=residuals[0],
            noise=np.where(seen, noise, np.nan) * density,
            lens=lens,
            fwhm=fwhm,
            limit=limit,
        )

    def _run(self, images, noise, lenses, fwhm, scale) -> np.ndarray:
        """Return the network's output for images divided by their scales."""
        scale = scale[:, None, None]
        inputs = {"image": images / scale, "lens": lenses, "noise": noise / scale, "psf_fwhm": fwhm}
        inputs = {name: values.astype(np.float32) for name, values in inputs.items()}
        return np.asarray(self.network.predict(inputs, batch_size=len(images), verbose=0), float)

    def _reconstruct(self, images, noise, lenses, fwhm, scale) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return source and inversion (N, 2, S, S), their images (N, 2, H, H), and the source's error (N, S, S)."""
        outputs = self._run(images, noise, lenses, fwhm, scale)
        sources = outputs[:, [-2, INVERSIONS.index("non-negative")]]
        models = np.stack([self._image_of(sources[:, number], lenses, fwhm) for number in (0, 1)], axis=1)
        typical = typical_noise(noise / scale[:, None, None], self.camera.operator_error)
        sigma = half_widths(sources[:, 0], np.exp(outputs[:, -1] / 2), typical, self.calibration)[0]
        return sources, models, sigma

    def _image_of(self, sources: np.ndarray, lenses: np.ndarray, fwhm: np.ndarray) -> np.ndarray:
        """Return the images of sources, also in excluded pixels."""
        noise = np.zeros((len(sources), self.camera.side, self.camera.side))
        inputs = {"lens": lenses, "noise": noise, "psf_fwhm": fwhm, "source": sources}
        inputs = {name: values.astype(np.float32) for name, values in inputs.items()}
        return np.asarray(self.imager.predict(inputs, batch_size=len(sources), verbose=0)[0], float)

    def _place_lenses(self, one: PreparedImage) -> np.ndarray:
        """Return the lens models (D, 7) relative to the centre of the cut-out, which is cut at whole pixels."""
        shift_y, shift_x = one.prepared.shift
        return self.lenses - np.array([0, shift_x, shift_y, 0, 0, 0, 0])

    def _find_width(self, one: PreparedImage) -> tuple[float | None, list[str]]:
        """Return the FWHM of the image's PSF in arcsec, None for the network's measured one, and notes."""
        parameters = self.parameters
        if self.camera.psf is not None:
            return None, ["the PSF is that of the training images, a measured one"]
        if parameters.psf_fits is not None:
            fwhm, notes = self._width_of_file(parameters.psf_fits, one.observation.pixel_scale)
            return fwhm, [f"the PSF is a Gaussian with the FWHM of --psf-fits, {fwhm:.3g} arcsec", *notes]
        if parameters.psf_width is not None:
            return parameters.psf_width, []
        return 0.0, ["no PSF is assumed: give --psf-width or --psf-fits if the image has one"]

    def _chi2_limit(self, noise: np.ndarray, scale: float) -> float:
        """Return the largest chi^2 per pixel of the true lens model, given the noise (N,) of the seen pixels."""
        operator = (scale * self.camera.operator_error) ** 2
        allowance = max(NOISE_ALLOWANCE, 1 + SIGNIFICANCE * np.sqrt(2 / len(noise)))
        return float(np.mean((allowance * noise**2 + OPERATOR_ALLOWANCE * operator) / (noise**2 + operator)))

    def _judge_chi2(self, chi2: float, of_inversion: float, limit: float) -> list[str]:
        if of_inversion > limit:
            return [
                f"chi2 per pixel is {of_inversion:.2f} for the inversion, more than {limit:.2f}: the lens model, the "
                "PSF, the noise or the source's field is wrong, or there is other light in the image"
            ]
        if chi2 > limit:
            return [
                f"chi2 per pixel is {chi2:.2f}, more than {limit:.2f}, but {of_inversion:.2f} for the inversion: the "
                "network has not learned such sources"
            ]
        return []


def _judge_edge(source: np.ndarray) -> list[str]:
    sides = [source[:SIDE], source[-SIDE:], source[:, :SIDE], source[:, -SIDE:]]
    brightest = max(float(side.mean()) for side in sides) / max(float(source.max()), 1e-30)
    if brightest <= EDGE:
        return []
    return [
        f"the source touches the edge of its field ({brightest:.0%} of its peak there): its light outside the field is "
        "missing or was put elsewhere"
    ]
