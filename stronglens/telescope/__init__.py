"""Simulated observation of noiseless images: PSF, sky, photon noise and read noise.

All images are sky-subtracted rates in electrons/s per pixel. On a CPU the computation uses NumPy, which draws noise
three times as fast as JAX; on a GPU it uses ``DeviceTelescope``.
"""

from stronglens.telescope.camera import Telescope, gaussian_psf, sky_rate
from stronglens.telescope.device import DeviceTelescope
from stronglens.telescope.optics import optical_psf
from stronglens.telescope.psf_file import measure_fwhm, read_psf
from stronglens.telescope.recording import (
    add_noise,
    blur,
    exposure_for_snr,
    noise_variance,
    observe,
    signal_to_noise,
    sum_pixels,
    whiten,
)

__all__ = [
    "DeviceTelescope",
    "Telescope",
    "add_noise",
    "blur",
    "exposure_for_snr",
    "gaussian_psf",
    "measure_fwhm",
    "noise_variance",
    "observe",
    "optical_psf",
    "read_psf",
    "signal_to_noise",
    "sky_rate",
    "sum_pixels",
    "whiten",
]
