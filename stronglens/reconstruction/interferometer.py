"""Sources from the visibilities of an interferometer, through their dirty image and dirty beam.

A baseline (u, v), in wavelengths, measures V = sum_p I_p exp(-2 pi i (u x_p + v y_p)) + n of an image I, with the
noise sigma in real and imaginary part (Thompson, Moran & Swenson 2017). With the weights w = 1 / sigma^2, the
likelihood needs only the dirty image d = Re F^H w V, and F^H w F, which is a convolution with the dirty beam
b(x, y) = sum w cos(2 pi (u x + v y)): visibilities may be many, the image stays small. There is no primary beam and no
w term.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stronglens.reconstruction.operator import Operator
from stronglens.training import keras

ops = keras.ops

ARCSEC = np.pi / 648000
"""In radians."""


@dataclass(frozen=True, eq=False)
class Interferometer:
    """Baselines, and the field that is imaged.

    Attributes
    ----------
    baselines : ndarray (V, 2) of (u, v), wavelengths
    noise : ndarray (V,), standard deviation of the real and of the imaginary part
    side : int, pixels
    pixel_scale : float, arcsec
    """

    baselines: np.ndarray
    noise: np.ndarray
    side: int
    pixel_scale: float

    def observe(self, image: np.ndarray) -> np.ndarray:
        """Return the visibilities of an image (H, W) without noise: (V,) complex."""
        down, across = self._waves((np.arange(self.side) - (self.side - 1) / 2) * self.pixel_scale)
        return np.einsum("vy,yx,vx->v", down, image, across, optimize=True)

    def dirty_image(self, visibilities: np.ndarray) -> np.ndarray:
        """Return the dirty image of visibilities (V,): (H, W), the transpose of `observe` with weights."""
        down, across = self._waves((np.arange(self.side) - (self.side - 1) / 2) * self.pixel_scale)
        return self._image(visibilities, down, across)

    def dirty_beam(self) -> np.ndarray:
        """Return the dirty beam at all differences of two pixels: (2 H, 2 H), no difference at [H, H]."""
        down, across = self._waves(np.arange(-self.side, self.side) * self.pixel_scale)
        return self._image(np.ones(len(self.noise), complex), down, across)

    def _waves(self, places):
        """Return exp(-2 pi i v y) and exp(-2 pi i u x) at rows from the top and columns from the left."""
        along_x, along_y = (np.outer(self.baselines[:, axis], places * ARCSEC) for axis in (0, 1))
        return np.exp(2j * np.pi * along_y), np.exp(-2j * np.pi * along_x)  # y of rows falls

    def _image(self, visibilities, down, across):
        weighted = visibilities / self.noise**2
        return np.einsum("v,vy,vx->yx", weighted, down.conj(), across.conj(), optimize=True).real


class DirtyOperator:
    """The forward operator in place of `Operator`, with which `inversion` inverts dirty images.

    Parameters
    ----------
    lens : Operator
        Without point-spread function and mask: from sources to images.
    interferometer : Interferometer
    """

    def __init__(self, lens: Operator, interferometer: Interferometer):
        self.lens, self.source_side, self.side = lens, lens.source_side, lens.side
        beam = interferometer.dirty_beam()
        beam[0] = beam[:, 0] = 0  # no two pixels differ by the side; without these pixels the beam is symmetric
        transfers = (np.fft.fft2(np.fft.ifftshift(one)).real for one in (beam, np.abs(beam)))
        self._transfer, self._largest = (one.astype(np.float32) for one in transfers)

    def forward(self, source: Any) -> Any:
        """Return the dirty images of sources without noise: (B, S, S) -> (B, H, H)."""
        return self._convolve(self.lens.forward(source), self._transfer)

    def adjoint(self, image: Any) -> Any:
        """Return the transpose of the lens applied to an image: (B, H, H) -> (B, S, S).

        The weights of the visibilities are in dirty image and beam already. With a deviation of 1 the inversion thus
        has A^T W A s from the dirty image of a source s, and A^T W V from that of the visibilities V.
        """
        return self.lens.adjoint(image)

    def largest_weight(self, weight: Any) -> Any:
        """Return a bound on the eigenvalues of A^T W A: its largest sum of a row without signs; (B, 1, 1)."""
        ones = ops.ones((ops.shape(weight)[0], self.source_side, self.source_side))
        sums = self.adjoint(weight * self._convolve(self.lens.forward(ones), self._largest))
        return ops.max(sums, axis=(1, 2), keepdims=True)

    def _convolve(self, image, transfer):
        padded = ops.pad(image, [[0, 0], [0, self.side], [0, self.side]])
        real, imaginary = ops.fft2((padded, ops.zeros_like(padded)))
        blurred, _ = ops.ifft2((real * transfer, imaginary * transfer))
        return blurred[:, : self.side, : self.side]
