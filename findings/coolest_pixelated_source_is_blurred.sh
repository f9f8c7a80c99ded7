#!/bin/sh
# coolest 0.1.11: a pixelated source is evaluated, at the centres of its own pixels, as something wider and fainter.
#
# A source on a regular grid is read from its FITS file and interpolated, by default with cubic splines. One guesses
# that an interpolation passes through the pixels. It takes the pixel values for the spline coefficients, so that the
# image is convolved with the spline (1/6, 4/6, 1/6 in x and in y): a single bright pixel keeps 0.44 of its value, and
# 0.30 with "quintic"; of noise, or the finest structure of a source, a quarter of the variance is left. The total is
# kept. "linear" is exact there, but cannot be chosen when the source comes from a COOLEST file. ComposableLensModel
# draws its lensed image, and the residuals against the data, from the blurred source.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check \
    coolest==0.1.11 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1 pandas==3.0.6 scikit-image==0.26.0
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import logging
import sys
from importlib.metadata import version

import numpy as np
from astropy.io import fits
from coolest.api.composable_models import ComposableLightModel
from coolest.api.profiles.light import PixelatedRegularGrid
from coolest.template import lazy
from coolest.template.standard import COOLEST

logging.disable()
SIDE, HALF = 21, 1.05


def from_file(name, pixels):
    """Return the light at the centres of the pixels of a source that a COOLEST object reads from a FITS file."""
    fits.writeto(name, pixels)
    view = {"field_of_view_x": [-HALF, HALF], "field_of_view_y": [-HALF, HALF]}
    light = lazy.LightModel("PixelatedRegularGrid")
    light[0].parameters["pixels"].set_grid(name, **view)
    root = COOLEST(
        "MAP",
        lazy.CoordinatesOrigin(),
        lazy.LensingEntityList(lazy.Galaxy("source", 1.0, light, lazy.MassModel())),
        lazy.Observation(lazy.PixelatedRegularGrid(name, **view), 100.0, None, 25.0),
        lazy.Instrument(2 * HALF / SIDE, "camera", "band"),
        lazy.Cosmology(70.0, 0.3),
    )
    model = ComposableLightModel(root, ".", entity_selection=[0])
    x, y = model.profile_list[0].get_coordinates().pixel_coordinates
    return model.evaluate_surface_brightness(x, y)


def from_class(method, pixels):
    """Return the light at the centres of the pixels of a profile made by hand."""
    profile = PixelatedRegularGrid((-HALF, HALF), (-HALF, HALF), SIDE, SIDE, interpolation_method=method)
    return profile.evaluate_surface_brightness(*profile.get_coordinates().pixel_coordinates, pixels=pixels)


point = np.zeros((SIDE, SIDE))
point[10, 10] = 1
noise = np.random.default_rng(0).standard_normal((SIDE, SIDE))
found = {
    "from a file": (from_file("point.fits", point), from_file("noise.fits", noise)),
    "linear": (from_class("linear", point), from_class("linear", noise)),
    "cubic": (from_class("cubic", point), from_class("cubic", noise)),
    "quintic": (from_class("quintic", point), from_class("quintic", noise)),
}
numbers = []
for name, (of_point, of_noise) in found.items():
    inner = (slice(3, -3), slice(3, -3))
    numbers.append((round(float(of_point[10, 10]), 2), round(float(of_point.sum()), 2)))
    print(
        f"coolest {version('coolest')}: {name}: pixel of 1 becomes {of_point[10, 10]:.2f}, total {of_point.sum():.2f}; "
        f"variance of noise {of_noise[inner].var() / noise[inner].var():.2f}"
    )
sys.exit(0 if numbers == [(0.44, 1.0), (1.0, 1.0), (0.44, 1.0), (0.3, 1.0)] else 1)
PYTHON
# Seen:
#   coolest 0.1.11: from a file: pixel of 1 becomes 0.44, total 1.00; variance of noise 0.25
#   coolest 0.1.11: linear: pixel of 1 becomes 1.00, total 1.00; variance of noise 1.00
#   coolest 0.1.11: cubic: pixel of 1 becomes 0.44, total 1.00; variance of noise 0.25
#   coolest 0.1.11: quintic: pixel of 1 becomes 0.30, total 1.00; variance of noise 0.15
