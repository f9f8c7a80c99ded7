"""Small telescope images."""

import numpy as np
from astropy.io import fits

from stronglens.observation import Observation

EUCLID = {"shape": (64, 64), "pixel_scale": 0.1, "zero_point": 25.72}


def noise(shape=(100, 100), seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def galaxy(shape=(100, 100), x=0.0, y=0.0, peak=200.0, size=4.0, ring=0.0):
    """Return an exponential galaxy at (x, y) pixels from the middle, y up, and a ring of 15 pixels about it."""
    rows, columns = np.indices(shape)
    radius = np.hypot(rows - (shape[0] - 1) / 2 + y, columns - (shape[1] - 1) / 2 - x)
    return peak * np.exp(-radius / size) + ring * np.exp(-((radius - 15) ** 2) / 8)


def observe(image, pixel_scale=0.1, zero_point=25.72, **more):
    return Observation(np.asarray(image, dtype=np.float64), pixel_scale, zero_point, "image", **more)


def write_fits(path, image, **header):
    hdu = fits.PrimaryHDU(np.asarray(image))
    for key, value in header.items():
        hdu.header[key] = value
    hdu.writeto(path, overwrite=True)
    return path
