"""Noiseless images to what a telescope records: blur, sky, photon noise, read noise.

All images are rates, in electrons a second in each pixel, with the sky subtracted. On a CPU NumPy does it all: it draws
noise three times as fast as JAX does there. On a GPU ``DeviceTelescope`` does.
"""

from stronglens.telescope.camera import Telescope, gaussian_psf, sky_rate
from stronglens.telescope.device import DeviceTelescope
from stronglens.telescope.optics import optical_psf
from stronglens.telescope.psf_file import read_psf
from stronglens.telescope.recording import (
    add_noise,
    blur,
    exposure_for_snr,
    noise_variance,
    observe,
    signal_to_noise,
    sum_pixels,
)

__all__ = [
    "DeviceTelescope",
    "Telescope",
    "add_noise",
    "blur",
    "exposure_for_snr",
    "gaussian_psf",
    "noise_variance",
    "observe",
    "optical_psf",
    "read_psf",
    "signal_to_noise",
    "sky_rate",
    "sum_pixels",
]
