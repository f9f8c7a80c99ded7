#!/bin/sh
# caustics 1.7.1: a PSF with unequal sides moves the image; an image with unequal sides comes out with too few columns.
#
# LensSource convolves with Fourier transforms by default (psf_mode="fft"), or directly (psf_mode="conv2d"). One guesses
# the same image from both. The first mode exchanges rows and columns twice: it rolls the rows by half the PSF's columns
# (and the columns by half its rows), and transforms with the image's sides exchanged. A PSF of 9 rows and 13 columns,
# centred and symmetric, moves a source by 2 pixels in x and -2 in y; an image of 60 x 40 pixels loses 16 of its 60
# columns. Neither gives an error or a warning. Square images with square PSFs are right, in both modes.
#
# caustics computes with JAX here. Only its module of tests imports PyTorch, a large package: that module is left out.
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps caustics==1.7.1 caskade==1.1.5
CASKADE_BACKEND=jax "$work/venv/bin/python" - <<'PYTHON'
import sys
import types
from importlib.metadata import version

import numpy as np

sys.modules["caustics.tests"] = types.SimpleNamespace(test=None)
import caustics


def gaussian(rows, columns):
    """Return a PSF that is centred and round."""
    y, x = np.indices((rows, columns))
    return np.exp(-((x - (columns - 1) / 2) ** 2 + (y - (rows - 1) / 2) ** 2) / 2)


def centre(pixels_x, pixels_y, psf, mode):
    """Return the shape of an image of a round source at the origin, and the centre of light from the image's centre."""
    lens = caustics.SIS(cosmology=caustics.FlatLambdaCDM(), x0=0.0, y0=0.0, Rein=1e-6, z_l=0.5, z_s=1.0)
    source = caustics.Sersic(x0=0.0, y0=0.0, q=1.0, phi=0.0, n=1.0, Re=0.3, Ie=1.0)
    simulator = caustics.LensSource(
        lens, source, pixelscale=0.1, pixels_x=pixels_x, pixels_y=pixels_y, psf=gaussian(*psf), psf_mode=mode
    )
    image = np.asarray(simulator(), float)
    y, x = np.indices(image.shape)
    middle = ((pixels_x - 1) / 2, (pixels_y - 1) / 2)
    moved = [round(float((image * along).sum() / image.sum() - m), 1) + 0.0 for along, m in zip((x, y), middle)]
    return image.shape, *moved


found = []
for pixels_x, pixels_y, psf in ((60, 60, (9, 9)), (60, 60, (9, 13)), (60, 40, (9, 9))):
    for mode in ("fft", "conv2d"):
        shape, x, y = centre(pixels_x, pixels_y, psf, mode)
        found.append((shape, x, y))
        print(
            f"caustics {version('caustics')}: pixels_x {pixels_x}, pixels_y {pixels_y}, PSF {psf}, {mode}: "
            f"image {shape}, moved by x {x}, y {y} pixels"
        )
square, wide = ((60, 60), 0.0, 0.0), ((40, 60), 0.0, 0.0)
expected = [square, square, ((60, 60), 2.0, -2.0), square]
sys.exit(0 if found[:4] == expected and found[4][0] == (40, 44) and found[5] == wide else 1)
PYTHON
# Seen:
#   caustics 1.7.1: pixels_x 60, pixels_y 60, PSF (9, 9), fft: image (60, 60), moved by x 0.0, y 0.0 pixels
#   caustics 1.7.1: pixels_x 60, pixels_y 60, PSF (9, 9), conv2d: image (60, 60), moved by x 0.0, y 0.0 pixels
#   caustics 1.7.1: pixels_x 60, pixels_y 60, PSF (9, 13), fft: image (60, 60), moved by x 2.0, y -2.0 pixels
#   caustics 1.7.1: pixels_x 60, pixels_y 60, PSF (9, 13), conv2d: image (60, 60), moved by x 0.0, y 0.0 pixels
#   caustics 1.7.1: pixels_x 60, pixels_y 40, PSF (9, 9), fft: image (40, 44), moved by x 0.0, y 0.0 pixels
#   caustics 1.7.1: pixels_x 60, pixels_y 40, PSF (9, 9), conv2d: image (40, 60), moved by x 0.0, y 0.0 pixels
