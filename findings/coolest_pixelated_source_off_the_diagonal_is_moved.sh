#!/bin/sh
# coolest 0.1.11: a pixelated source whose field has another centre in x than in y is evaluated in the wrong place.
#
# The field of view of a source on a regular grid is given for x and for y, and one guesses that each pixel is evaluated
# where it lies. The interpolator takes the limits in x for y and those in y for x: the source is moved by the difference
# of the two centres, in opposite directions along x and y. A source plane is seldom centred on the diagonal x = y, and
# ComposableLensModel draws its lensed image, and the residuals against the data, from the moved source, without a
# warning. The same field in x and y, with zeros around the source, is read right.
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
from coolest.template import lazy
from coolest.template.standard import COOLEST

logging.disable()
SIDE, HALF, ROW, COLUMN = 20, 1.0, 6, 12


def place_of_peak(number, x_middle, y_middle):
    """Return x and y of a bright pixel by the field of view, and where the light of the COOLEST object has its peak."""
    pixels = np.zeros((SIDE, SIDE))
    pixels[ROW, COLUMN] = 1
    fits.writeto(f"{number}.fits", pixels)
    view = {
        "field_of_view_x": [x_middle - HALF, x_middle + HALF],
        "field_of_view_y": [y_middle - HALF, y_middle + HALF],
    }
    light = lazy.LightModel("PixelatedRegularGrid")
    light[0].parameters["pixels"].set_grid(f"{number}.fits", **view)
    root = COOLEST(
        "MAP",
        lazy.CoordinatesOrigin(),
        lazy.LensingEntityList(lazy.Galaxy("source", 1.0, light, lazy.MassModel())),
        lazy.Observation(lazy.PixelatedRegularGrid(f"{number}.fits", **view), 100.0, None, 25.0),
        lazy.Instrument(2 * HALF / SIDE, "camera", "band"),
        lazy.Cosmology(70.0, 0.3),
    )
    model = ComposableLightModel(root, ".", entity_selection=[0])
    x, y = model.profile_list[0].get_coordinates().pixel_coordinates
    peak = np.unravel_index(model.evaluate_surface_brightness(x, y).argmax(), x.shape)
    return (x[ROW, COLUMN], y[ROW, COLUMN]), (x[peak], y[peak])


as_stated = True
for number, (x_middle, y_middle) in enumerate([(0.0, 0.0), (0.3, 0.3), (0.3, 0.0), (0.0, -0.2)]):
    (x, y), (found_x, found_y) = place_of_peak(number, x_middle, y_middle)
    print(
        f"coolest {version('coolest')}: field centred on ({x_middle}, {y_middle}): pixel at ({x:.2f}, {y:.2f}), "
        f"peak of the light at ({found_x:.2f}, {found_y:.2f})"
    )
    away = x_middle - y_middle
    as_stated &= abs(found_x - x + away) < 0.01 and abs(found_y - y - away) < 0.01
sys.exit(0 if as_stated else 1)
PYTHON
# Seen:
#   coolest 0.1.11: field centred on (0.0, 0.0): pixel at (0.25, -0.35), peak of the light at (0.25, -0.35)
#   coolest 0.1.11: field centred on (0.3, 0.3): pixel at (0.55, -0.05), peak of the light at (0.55, -0.05)
#   coolest 0.1.11: field centred on (0.3, 0.0): pixel at (0.55, -0.35), peak of the light at (0.25, -0.05)
#   coolest 0.1.11: field centred on (0.0, -0.2): pixel at (0.25, -0.55), peak of the light at (0.05, -0.35)
