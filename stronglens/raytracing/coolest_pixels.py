"""Light of a lens model whose source has pixels, for a COOLEST folder (see `coolest`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import autolens as al
import numpy as np
from autogalaxy.interop.coolest import coolest_dict_from_light

SOURCE = "source.fits"
"""Name of the source's file."""

OF_PIXELS = {
    "lens_light": "a sum of Gaussians at the best fit, each written as the identical Sersic profile with n = 0.5; the "
    "model evaluates them in the middle of each pixel of the image, with one ray",
    "source": "electrons per second per pixel of the image in source.fits. The model is a sum of quadratic B-splines, "
    "seen by several rays in each pixel of the image. The file shows it in finer pixels than its own, so that each "
    "interpolation gives nearly the same source. The field is the same in x and y, since coolest 0.1.11 confuses "
    "different ones. The extensions BRIGHTNESS and DEVIATION have the model's own pixels or, if these are not equal, "
    "smaller ones, and their standard deviation for this mass, for which COOLEST has no place; FIELD-X and FIELD-Y are "
    "the middle of their field in arcsec",
}
"""Remarks on a source of pixels."""


@dataclass(frozen=True)
class PixelLight:
    """Light of a lens model whose source has pixels.

    Attributes
    ----------
    brightness : ndarray (N, N), e-/s per pixel of the image
        Of the source, row 0 at the top.
    field : (float, float), arcsec
        Limits of its field, the same in x and y.
    own : dict of str to ndarray (S, S)
        More images by the names of FITS extensions.
    own_field : dict of str to float
        Keywords of these extensions.
    gaussians : ndarray (G, 6)
        Light of the lens: x and y of the centre, standard deviation on the intermediate axis, arcsec; ellipticity
        (cos 2 phi, sin 2 phi); intensity in the centre, e-/s per pixel of the image.
    """

    brightness: np.ndarray
    field: tuple[float, float]
    own: Mapping[str, np.ndarray]
    own_field: Mapping[str, float]
    gaussians: np.ndarray

    def list_gaussians(self) -> dict[str, dict[str, float]]:
        """Return the Gaussians as Sersic profiles of n = 0.5, by name, in PyAutoLens's conversion.

        Their b_n (r / theta_eff)^2 is r^2 / (2 sigma^2).
        """
        b_n, converted = al.lp.Sersic(sersic_index=0.5).sersic_constant, {}
        for number, (x, y, sigma, e_x, e_y, peak) in enumerate(self.gaussians):
            profile = al.lp.Sersic((y, x), (e_y, e_x), peak * np.exp(-b_n), sigma * np.sqrt(2 * b_n), 0.5)
            converted[f"lens_light {number}"] = coolest_dict_from_light(profile)["parameters"]
        return converted

    def profile(self):
        """Return the light model of the source for a template."""
        from coolest.template.lazy import LightModel

        model, side = LightModel("PixelatedRegularGrid"), len(self.brightness)
        # With check_fits_file, a file of this name in the current folder would be read.
        model[0].parameters["pixels"].set_grid(SOURCE, self.field, self.field, side, side, check_fits_file=False)
        return model

    def write(self, folder: Path) -> None:
        """Write the FITS file of the source, with row 0 at the bottom."""
        from astropy.io import fits

        hdus = [fits.PrimaryHDU(np.flipud(self.brightness).astype(np.float32))]
        hdus[0].header["PIXSCALE"] = (self.field[1] - self.field[0]) / len(self.brightness), "[arcsec]"
        for name, image in self.own.items():
            hdus.append(fits.ImageHDU(np.flipud(image), name=name))
            hdus[-1].header.update(self.own_field)
        for hdu in hdus:
            hdu.header["BUNIT"] = "electron/s", "per pixel of the image"
        fits.HDUList(hdus).writeto(folder / SOURCE)
