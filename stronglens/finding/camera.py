"""Euclid's four bands: recorded in the pixels of the camera, then put on the grid of an image.

VIS has pixels of 0.1 arcsec, NISP (Y, J, H) of 0.3 arcsec. Noise is added in the pixels of the camera. On a grid of 0.1
arcsec, NISP is interpolated linearly from three times larger pixels; on one of 0.3 arcsec, VIS is averaged over 3 x 3
pixels. Point-spread functions are Gaussians, so that blur, sums over pixels and interpolation are done along one axis
after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.signal import upfirdn

from stronglens.telescope import sky_rate

FINE = 0.1
"""Pixels on which light is rendered, arcsec: those of VIS."""

RATIO = 3
"""Fine pixels along each side of a pixel of NISP."""

BETWEEN = np.array([1, 2, 3, 2, 1], np.float32) / RATIO**2
"""Shares of a pixel of NISP in fine pixels along one axis, by linear interpolation; the sum is 1."""

EXTENT = 4.0
"""Half-width of the point-spread functions, standard deviations; 3e-4 of the light is outside."""

RESAMPLED = 0.1213
"""Weight a of both neighbours relative to the middle pixel, (a, 1, a) / (1 + 2 a), which has 2/3 of the variance along
each axis. So has the mean of resampled exposures with all shifts between pixels, by linear interpolation. The noise of
an image of VIS in Euclid's first quick release has 0.64 of the standard deviation that its noise map gives for
independent pixels, and a correlation of 0.22 between neighbours; these weights give 0.67 and 0.24."""


@dataclass(frozen=True)
class Band:
    """A band of Euclid.

    Attributes
    ----------
    name : str
    zero_point : float, AB mag of 1 e-/s
    exposure_time : float, s
        Of all exposures.
    exposures : int
        Number of read-outs.
    sky_brightness : float, AB mag per square arcsecond
    read_noise : float, e-
        RMS of one read-out.
    fwhm : float, arcsec
    pixels : {1, 3}
        Fine pixels along each side of a pixel of the camera.
    """

    name: str
    zero_point: float
    exposure_time: float
    exposures: int
    sky_brightness: float
    read_noise: float
    fwhm: float
    pixels: int

    @property
    def sky(self) -> float:
        """Sky, e-/s in a pixel of the camera."""
        return sky_rate(self.sky_brightness, self.pixels * FINE, self.zero_point)

    @property
    def noise(self) -> float:
        """Standard deviation of the noise without light, e-/s in a pixel of the camera."""
        return float(self.deviation(np.zeros(1))[0])

    @cached_property
    def kernel(self) -> NDArray:
        """The point-spread function (K,) along one axis of fine pixels; K is odd, and the sum is 1."""
        sigma = self.fwhm / np.sqrt(8 * np.log(2)) / FINE
        half = int(np.ceil(EXTENT * sigma))
        profile = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
        return profile / profile.sum()

    @property
    def padding(self) -> int:
        """Fine pixels beyond each edge of the field that a recorded image depends on."""
        # One more pixel of NISP on each side is recorded, so that pixels at the edge are interpolated as others are.
        return len(self.kernel) // 2 + (self.pixels if self.pixels > 1 else 0)

    def deviation(self, rate: NDArray) -> NDArray:
        """Return the standard deviation of the noise of pixels of the camera.

        Its square is (rate + sky) / t + exposures x read_noise^2 / t^2 (Howell 2006, Handbook of CCD Astronomy, eq.
        4.4 without dark current).
        """
        time = self.exposure_time
        return np.sqrt((rate + self.sky) / time + self.exposures * self.read_noise**2 / time**2)


# As in lenstronomy 1.14.2's Euclid preset, after Euclid Collaboration: Cropper et al. 2025, A&A 697, A2 (VIS), Jahnke
# et al. 2025, A&A 697, A3 (NISP), and Mellier et al. 2025, A&A 697, A1 (sky).
BANDS = {
    band.name: band
    for band in (
        Band("VIS", 25.72, 4 * 566.0, 4, 22.3, 4.2, 0.16, 1),
        Band("Y", 25.04, 4 * 87.2, 4, 22.1, 6.1, 0.48, RATIO),
        Band("J", 25.26, 4 * 87.2, 4, 22.2, 6.1, 0.49, RATIO),
        Band("H", 25.21, 4 * 87.2, 4, 22.3, 6.1, 0.50, RATIO),
    )
}


@dataclass(frozen=True)
class BandCamera:
    """Observe rendered light in one band.

    Attributes
    ----------
    band : Band
    side : int
        Fine pixels along each side of the field; a multiple of 3 for NISP and on the coarse grid.
    padding : int
        Rendered fine pixels beyond each edge, at least ``band.padding``.
    coarse : bool
        Whether the grid of the images has pixels of 0.3 arcsec instead of 0.1.
    """

    band: Band
    side: int
    padding: int
    coarse: bool

    @property
    def zero_point(self) -> float:
        """AB magnitude of an image's pixel of value 1."""
        is_mean = self.coarse and self.band.pixels == 1  # of 9 pixels
        return self.band.zero_point - (2.5 * np.log10(RATIO**2) if is_mean else 0)

    def describe(self) -> dict:
        """Return the entry of the band in the manifest of a dataset."""
        band = self.band
        return {
            "zero-point": self.zero_point,
            "exposure-time": band.exposure_time,
            "exposures": band.exposures,
            "sky": band.sky,
            "read-noise": band.read_noise,
            "psf-fwhm": band.fwhm,
            "recorded-pixel-scale": round(band.pixels * FINE, 1),
        }

    def blur(self, light: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the light (N, n, n) in the pixels of the camera of rendered light (N, F, F), e-/s a fine pixel."""
        kernel, step = self.band.kernel, self.band.pixels
        # A pixel of the camera is the sum of blurred fine pixels. Zeros in front let the last pixel of the sum be one
        # of those that are kept.
        row = np.convolve(kernel, np.ones(step))
        row = np.append(np.zeros((1 - len(row)) % step), row).astype(np.float32)
        edge = step if self._is_interpolated else 0
        start, number = self.padding - edge - len(kernel) // 2, (self.side + 2 * edge) // step
        for axis in (1, 2):
            inside = np.take(light, range(start, light.shape[axis] - start), axis)
            done = upfirdn(row, inside, down=step, axis=axis)
            first = (len(row) - 1) // step
            light = np.take(done, range(first, first + number), axis)
        return light

    def record(
        self,
        rate: NDArray[np.float32],
        generators: Sequence[np.random.Generator],
        shown: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Add noise and put images on the grid.

        Noise is Gaussian: with its sky, a pixel has at least 470 electrons.

        Parameters
        ----------
        rate : ndarray (N, n, n), e-/s in a pixel of the camera
            Light after the blur.
        generators : sequence of N numpy.random.Generator
        shown : ndarray of the shape of ``rate``, optional
            Light that the noise of ``rate`` is added to, by default ``rate``.

        Returns
        -------
        ndarray (N, H, H) float32, e-/s in a pixel of the grid
            The mean of 3 x 3 pixels for VIS on the coarse grid. The mean sky is subtracted.
        """
        noise = np.empty_like(rate)
        for image, random in zip(noise, generators, strict=True):
            random.standard_normal(dtype=np.float32, out=image)
        noise *= self.band.deviation(rate)
        if self.band.pixels == 1:
            noise = smooth(noise)
        image = (rate if shown is None else shown) + noise
        if self._is_interpolated:
            for axis in (1, 2):
                image = np.take(upfirdn(BETWEEN, image, up=RATIO, axis=axis), range(4, 4 + self.side), axis)
            return image
        if self.coarse and self.band.pixels == 1:
            return image.reshape(len(image), self.side // RATIO, RATIO, self.side // RATIO, RATIO).mean(axis=(2, 4))
        return image

    @property
    def _is_interpolated(self) -> bool:
        return not self.coarse and self.band.pixels > 1


def smooth(noise: NDArray) -> NDArray:
    """Return the noise (N, H, W) of resampled exposures: see ``RESAMPLED``. The boundaries are periodic."""
    for axis in (1, 2):
        beside = np.roll(noise, 1, axis) + np.roll(noise, -1, axis)
        noise = (noise + RESAMPLED * beside) / np.float32(1 + 2 * RESAMPLED)
    return noise
