#!/bin/sh
# coolest 0.1.11: ellipticity_from_moments gives 90 degrees minus the position angle.
#
# COOLEST's angles are counted from the y axis (north) towards -x (east). Analysis.ellipticity_from_moments measures the
# axis ratio and the position angle of a light model, and one guesses that it gives back the angle of an elliptical
# Sersic profile. It gives that of a mirror image: a galaxy at 0 is measured at 90, one at 30 at 60, one at 60 at 210,
# the same as 30; only 45 and -45 come back. The axis ratio is right. A comparison of the angle of a lens's light with
# that of its mass then depends on how the lens lies on the sky: aligned ones look misaligned by up to 90 degrees.
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
from coolest.api.analysis import Analysis
from coolest.api.composable_models import ComposableLightModel
from coolest.template import lazy
from coolest.template.standard import COOLEST

logging.disable()
PIXELS, PIXEL = 100, 0.1
half = PIXELS * PIXEL / 2
fits.writeto("image.fits", np.zeros((PIXELS, PIXELS)))


def measure(angle):
    """Return the measured axis ratio and angle, and the angle of the light itself, of a galaxy at a position angle."""
    light = lazy.LightModel("Sersic")
    values = {"I_eff": 1.0, "theta_eff": 1.0, "n": 1.0, "q": 0.6, "phi": angle, "center_x": 0.0, "center_y": 0.0}
    for name, value in values.items():
        light[0].parameters[name].set_point_estimate(value)
    image = lazy.PixelatedRegularGrid("image.fits", field_of_view_x=[-half, half], field_of_view_y=[-half, half])
    root = COOLEST(
        "MAP",
        lazy.CoordinatesOrigin(),
        lazy.LensingEntityList(lazy.Galaxy("lens", 0.5, light, lazy.MassModel())),
        lazy.Observation(image, 100.0, None, 25.0),
        lazy.Instrument(PIXEL, "camera", "band"),
        lazy.Cosmology(70.0, 0.3),
    )
    analysis = Analysis(root, ".", supersampling=2)
    x, y = analysis.coordinates.pixel_coordinates
    flux = ComposableLightModel(root, ".", entity_selection=[0]).evaluate_surface_brightness(x, y)
    xx, yy, xy = ((flux * product).sum() for product in (x * x, y * y, x * y))
    by_hand = np.degrees(np.arctan2(-2 * xy, yy - xx)) / 2
    return *analysis.ellipticity_from_moments(entity_selection=[0]), by_hand


as_stated = True
for angle in (0.0, 30.0, 60.0, 90.0, -20.0, 45.0):
    ratio, measured, by_hand = measure(angle)
    print(
        f"coolest {version('coolest')}: position angle {angle:.0f}: measured {measured:.1f} "
        f"with axis ratio {ratio:.2f}; by hand from the same moments {by_hand:.1f}"
    )
    mirrored = abs((measured - (90 - angle) + 90) % 180 - 90) < 1
    as_stated &= mirrored and abs(ratio - 0.6) < 0.03 and abs((by_hand - angle + 90) % 180 - 90) < 1
sys.exit(0 if as_stated else 1)
PYTHON
# Seen:
#   coolest 0.1.11: position angle 0: measured 90.0 with axis ratio 0.62; by hand from the same moments 0.0
#   coolest 0.1.11: position angle 30: measured 59.6 with axis ratio 0.61; by hand from the same moments 30.4
#   coolest 0.1.11: position angle 60: measured 210.4 with axis ratio 0.61; by hand from the same moments 59.6
#   coolest 0.1.11: position angle 90: measured 180.0 with axis ratio 0.62; by hand from the same moments 90.0
#   coolest 0.1.11: position angle -20: measured 110.5 with axis ratio 0.61; by hand from the same moments -20.5
#   coolest 0.1.11: position angle 45: measured 225.0 with axis ratio 0.61; by hand from the same moments 45.0
