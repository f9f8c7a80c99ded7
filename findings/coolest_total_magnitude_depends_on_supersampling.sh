#!/bin/sh
# coolest 0.1.11: total_magnitude becomes brighter by 5 log10(s) magnitudes when computed on an s times finer grid.
#
# Analysis(..., supersampling=s) sets the grid on which quantities are computed, and one guesses that a finer grid only
# makes them more accurate. Surface brightness per square arcsecond is multiplied by the area of the instrument's pixel,
# also on the finer grid, and then summed over s x s times as many points. A source of 22.31 magnitudes is given 20.80
# with s = 2, and 18.81 with s = 5, without a warning: a magnification or a stellar mass from it is wrong by s^2, 25 for
# s = 5, the value in the package's own plots. The effective radius of the same object does not change.
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
from math import exp, gamma, log10, pi

import numpy as np
from astropy.io import fits
from coolest.api.analysis import Analysis
from coolest.template import lazy
from coolest.template.standard import COOLEST

logging.disable()
PIXELS, PIXEL, ZERO_POINT = 100, 0.1, 25.0
half = PIXELS * PIXEL / 2
fits.writeto("image.fits", np.zeros((PIXELS, PIXELS)))
image = lazy.PixelatedRegularGrid("image.fits", field_of_view_x=[-half, half], field_of_view_y=[-half, half])
light = lazy.LightModel("Sersic")
values = {"I_eff": 1.0, "theta_eff": 1.0, "n": 1.0, "q": 0.6, "phi": 30.0, "center_x": 0.0, "center_y": 0.0}
for name, value in values.items():
    light[0].parameters[name].set_point_estimate(value)
root = COOLEST(
    "MAP",
    lazy.CoordinatesOrigin(),
    lazy.LensingEntityList(lazy.Galaxy("source", 1.0, light, lazy.MassModel())),
    lazy.Observation(image, 100.0, None, ZERO_POINT),
    lazy.Instrument(PIXEL, "camera", "band"),
    lazy.Cosmology(70.0, 0.3),
)
b = 1.9992 - 0.3271
exact = ZERO_POINT - 2.5 * log10(2 * pi * exp(b) * gamma(2) / b**2)
found = {}
for supersampling in (1, 2, 5):
    analysis = Analysis(root, ".", supersampling=supersampling)
    magnitude = analysis.total_magnitude(entity_selection=[0])
    radius = analysis.effective_radius_light(entity_selection=[0], outer_radius=5)
    found[supersampling] = magnitude
    print(
        f"coolest {version('coolest')}: supersampling {supersampling}: total magnitude {magnitude:.2f} "
        f"(exact: {exact:.2f}), effective radius {radius:.2f}"
    )
right = abs(found[1] - exact) < 0.01
wrong = all(abs(found[1] - found[s] - 5 * log10(s)) < 0.02 for s in (2, 5))
sys.exit(0 if right and wrong else 1)
PYTHON
# Seen:
#   coolest 0.1.11: supersampling 1: total magnitude 22.31 (exact: 22.31), effective radius 1.01
#   coolest 0.1.11: supersampling 2: total magnitude 20.80 (exact: 22.31), effective radius 1.03
#   coolest 0.1.11: supersampling 5: total magnitude 18.81 (exact: 22.31), effective radius 1.03
