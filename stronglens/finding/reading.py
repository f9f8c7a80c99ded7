"""Read cut-outs of one or more bands: one file for all bands, a file for each, or the Bologna challenge's folders."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stronglens.measuring import ImageFile, ImageReader, PreparedImage, TrainingImages, list_images
from stronglens.observation import Observation, Prepared, is_fits, list_extensions
from stronglens.parameters import RunError, UsageError

BAND = "{band}"
"""In a path or in the name of an extension: is replaced by the name of each band."""
IMAGE, NOISE = "_BGSUB", "_RMS"
"""Endings of the extensions of a band in the cut-outs of Euclid's first quick release."""
INSTRUMENTS = ("", "NIR_", "NISP_", "EUC_")
"""What may stand before the name of a band."""
MASKED = 100.0
"""Value of masked pixels in the challenge."""


class BandReader(ImageReader):
    """Read images of the bands of a network, and prepare them.

    The files of an image are found in one of these ways:

    - one FITS file with an extension for each band, such as ``VIS_BGSUB`` and ``NIR_Y_BGSUB`` of Euclid's first quick
      release (with the noise in ``VIS_RMS`` ...), or ``VIS`` and ``Y``;
    - ``{band}`` in the path, in ``--hdu``, ``--noise-map`` or ``--mask``: is replaced by the name of the band;
    - a folder with a folder for each band, ``Band1``, ``Band2`` ... in the order of the network's bands, or
      ``EUC_VIS``, ``EUC_Y`` ...: files whose names, or the last numbers in them, are the same belong together;
    - an array (H, W, B) in a NumPy or pickle file, or (N, H, W, B) in Zarr, with the bands in the network's order.

    The other attributes of a prepared image of several bands, besides pixels, noise and mask, are those of the first.

    Parameters
    ----------
    parameters : FindingTraining
    training_images : TrainingImages

    Raises
    ------
    UsageError
        See `ImageReader`.
    """

    def __init__(self, parameters, training_images: TrainingImages):
        super().__init__(parameters, training_images)
        self.bands = training_images.bands
        self._files: dict[str, list[str]] = {}  # of each band, by that of the first band
        self._readers: dict[tuple, ImageReader] = {}

    def list_images(self) -> list[ImageFile]:
        """Return the images that ``--predict`` names, by the file of their first band."""
        given = [path for one in self.parameters.predict for path in self._find_files(one)]
        return list_images(given, self.parameters.planes, self.parameters.hdu and self._name(self.parameters.hdu))

    def check_flags(self, images: Sequence[ImageFile]) -> None:
        """Refuse a mask or noise map that exists for none of the images."""
        first = next(iter(self.bands))
        named = {name: getattr(self.parameters, name) for name in ("mask", "noise_map")}
        named = {name: value and value.replace(BAND, first) for name, value in named.items()}
        ImageReader(replace(self.parameters, **named), self.training_images).check_flags(images)

    def __call__(self, image: ImageFile, keep_pixels: bool = False) -> PreparedImage:
        """Read and prepare all bands of an image."""
        paths = self._files.get(image.path, [image.path] * len(self.bands))
        read: list[PreparedImage] = []
        for band, path in zip(self.bands, paths, strict=True):
            one = self._reader_of(band, path, is_shared=paths.count(path) > 1)
            read.append(one(replace(image, path=path), keep_pixels and not read))
        if len(read) == 1:
            return replace(read[0], image=image)
        first, bands_of_note = read[0], {}
        for band, one in zip(self.bands, read, strict=True):
            for note in one.notes:
                bands_of_note.setdefault(note, []).append(band)
        notes = [
            note if len(bands) == len(read) else f"{', '.join(bands)}: {note}" for note, bands in bands_of_note.items()
        ]
        prepared = [one.prepared for one in read]
        joined = replace(
            first.prepared,
            image=np.stack([one.image for one in prepared], axis=-1),
            noise=np.stack([one.noise for one in prepared], axis=-1),
            mask=np.any([one.mask for one in prepared], axis=0),
        )
        return PreparedImage(image, first.observation, joined, tuple(notes))

    def _reader_of(self, band: str, path: str, is_shared: bool) -> ImageReader:
        """Return the reader of a band: it chooses the band's extensions, or its place in an array."""
        hdu, noise, mask = (
            value and value.replace(BAND, band)
            for value in (self.parameters.hdu, self.parameters.noise_map, self.parameters.mask)
        )
        make = ChallengeReader if self.parameters.bologna else ImageReader
        if hdu is None and is_fits(Path(path)) and Path(path).is_file():
            names = list_extensions(Path(path))
            known = [prefix + band.upper() + ending for ending in (IMAGE, "") for prefix in INSTRUMENTS]
            hdu = next((name for name in known if name in names), None)
            if hdu and noise is None and (its_noise := hdu.removesuffix(IMAGE) + NOISE) in names:
                noise, make = its_noise, EuclidReader
        channel = None
        if is_shared and not is_fits(Path(path)):
            channel = list(self.bands).index(band), len(self.bands)
        elif is_shared and (hdu is None or hdu == self.parameters.hdu):
            raise RunError(
                f"{path}: has no extension of the band {band}; give a file for each band, with {BAND} in its path"
            )
        key = band, hdu, noise, mask, channel
        if key not in self._readers:
            own = replace(self.parameters, hdu=hdu, noise_map=noise, mask=mask)
            self._readers[key] = make(own, self.bands[band], channel)
        return self._readers[key]

    def _find_files(self, given: str) -> list[str]:
        """Return the paths of the first band; remember those of the others."""
        if BAND in given:
            places = [given.replace(BAND, band) for band in self.bands]
        elif (folders := self._band_folders(given)) is not None:
            places = folders
        else:
            return [given]
        if not Path(places[0]).is_dir():
            self._files[places[0]] = places
            return places[:1]
        found = [list_images([place]) for place in places]
        tables = [{number_of(image.path): image.path for image in images} for images in found]
        for image in found[0]:
            paths = [table.get(number_of(image.path)) for table in tables]
            if None in paths:
                missing = places[paths.index(None)]
                raise RunError(f"{image.path}: there is no image of the same name or number in {missing}")
            self._files[image.path] = [str(path) for path in paths]
        return [image.path for image in found[0]]

    def _band_folders(self, given: str) -> list[str] | None:
        """Return the folder of each band in a folder; None if it has none."""
        if not Path(given).is_dir():
            return None
        within = {path.name.upper(): str(path) for path in Path(given).iterdir() if path.is_dir()}
        named = [[f"{prefix}{band.upper()}" for prefix in INSTRUMENTS] for band in self.bands]
        known = [next((within[name] for name in names if name in within), None) for names in named]
        numbered = [within.get(f"BAND{number}") for number in range(1, len(self.bands) + 1)]
        found = known if any(known) else numbered
        if not any(found):
            return None
        if None in found:
            raise UsageError(f"{given} has folders of some bands, but not of all: {', '.join(self.bands)}")
        return [str(folder) for folder in found]

    def _name(self, hdu: str) -> str:
        return hdu.replace(BAND, next(iter(self.bands)))


class EuclidReader(ImageReader):
    """Read a band of a cut-out of Euclid's first quick release.

    Its RMS map marks bad pixels. It is not taken as the noise: it gives that of independent pixels, of which resampled
    images have 0.64 in VIS and 0.21 in Y, J and H. The noise is measured on the image, as on the training images.
    """

    def observe(self, image: ImageFile) -> Observation:
        """Read and calibrate an image."""
        observation = super().observe(image)
        pixels = np.where(observation.bad, np.nan, observation.image)
        return replace(observation, image=pixels, noise=None)


class ChallengeReader(ImageReader):
    """Read a band of an image of the Bologna challenge (Metcalf et al. 2019, A&A 625, A119).

    Its unit is unknown: the image is multiplied such that its noise is that of the training images.
    """

    def observe(self, image: ImageFile) -> Observation:
        """Read an image, and mask pixels of the value 100."""
        # Any calibrated unit without a zero point: the factor comes from the noise.
        own = replace(self.parameters, unit="e-/s", zero_point=None)
        training = replace(self.training_images, zero_point=None)
        observation = ImageReader(own, training, self.channel).observe(image)
        masked = observation.image == MASKED
        mask = masked if observation.mask is None else masked | observation.mask
        return replace(observation, mask=mask if mask.any() else None, zero_point=self.training_images.zero_point)

    def prepare(self, observation: Observation, centre: tuple[float, float]) -> Prepared:
        """Prepare an observation, and multiply it to the noise of the training images."""
        prepared, wanted = super().prepare(observation, centre), self.training_images.noise
        found = prepared.background_noise
        if not np.isfinite(found):
            found = float(np.median(prepared.noise))  # an upper limit: too full of light
        if wanted is None or not found > 0:
            raise RunError(f"{observation.name}: its noise, or that of the training images, cannot be measured")
        noise = float(np.sqrt(wanted[0] * wanted[1]))
        factor = noise / found
        return replace(
            prepared,
            image=(prepared.image * factor).astype(np.float32),
            noise=(prepared.noise * factor).astype(np.float32),
            background_noise=noise,
            background_level=prepared.background_level * factor,
            notes=(*prepared.notes, f"multiplied by {factor:.3g}: its noise is then that of the training images"),
        )


def number_of(path: str) -> str:
    """Return the last number in the name of a file, or the name if it has none."""
    name = Path(path).name
    numbers = re.findall(r"\d+", name.split(".")[0])
    return numbers[-1] if numbers else name
