#!/bin/sh
# lenstronomy 1.14.2: a LightModel with INTERPOL draws the first image that it is given, whatever image comes later.
#
# The profile INTERPOL takes its image as a keyword argument of each call, like the amplitude and the centre, and one
# guesses that each call draws the image it is given. The interpolation is made at the first call and kept; later images
# are ignored, without a look at whether they are the same. Centre, scale, angle and amplitude are taken from each call,
# and total_flux from the new image: so the picture moves, and its magnitude is another galaxy's. A loop over real
# galaxies as lensed sources, with one LightModel for all, makes a training set of one galaxy. delete_interpol_caches()
# before each image, which neither the class nor the argument mentions, is the remedy.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check --no-deps \
    lenstronomy==1.14.2 numpy==2.4.6 scipy==1.17.1 pyyaml==6.0.3
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.Util.util import make_grid

SIDE = 21
x, y = make_grid(SIDE, 1)
images = np.zeros((2, SIDE, SIDE))
images[0, 10, 10] = 1
images[1, 5, 3:8] = 2


def draw(model, image):
    """Return the pixels where a drawn image has light, their sum, and the flux that the model states."""
    light = [{"image": image, "amp": 1, "center_x": 0, "center_y": 0, "phi_G": 0, "scale": 1}]
    drawn = model.surface_brightness(x, y, light).reshape(SIDE, SIDE)
    return np.argwhere(drawn > 1e-9).tolist(), float(drawn.sum()), float(model.total_flux(light)[0])


model = LightModel(["INTERPOL"])
found = [draw(model, image) for image in images]
model.delete_interpol_caches()
found.append(draw(model, images[1]))
for name, (pixels, drawn, stated) in zip(("first image", "second image", "second image, cache deleted"), found):
    print(
        f"lenstronomy {version('lenstronomy')}: {name}: light in {len(pixels)} pixel(s) from {pixels[0]}, "
        f"sum {drawn:.1f}; total_flux {stated:.1f}"
    )
first, second, renewed = found
as_stated = first[0] == second[0] == [[10, 10]] and second[1:] == (1, 10) and len(renewed[0]) == 5 and renewed[1] == 10
sys.exit(0 if as_stated else 1)
PYTHON
# Seen:
#   lenstronomy 1.14.2: first image: light in 1 pixel(s) from [10, 10], sum 1.0; total_flux 1.0
#   lenstronomy 1.14.2: second image: light in 1 pixel(s) from [10, 10], sum 1.0; total_flux 10.0
#   lenstronomy 1.14.2: second image, cache deleted: light in 5 pixel(s) from [5, 3], sum 10.0; total_flux 10.0
