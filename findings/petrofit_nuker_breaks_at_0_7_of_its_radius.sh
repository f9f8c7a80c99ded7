#!/bin/sh
# petrofit 0.5.0: a Nuker profile with r_break = 10 breaks at 7.07 pixels, and has a NaN in the pixel of its centre.
#
# Nuker2D describes the cores of massive elliptical galaxies, those that act as lenses: gamma is the slope inside of the
# break, betta that outside, and amplitude the brightness at r_break. One guesses that r is the distance from
# (x_0, y_0). The two coordinates are turned by 45 degrees, without the division by the root of 2: r is 1.41 times the
# distance. The profile is that of a break at 0.71 r_break; amplitude is reached there, and at r_break the brightness is
# 0.60 of it for gamma 0.5 and betta 2. A fit to a galaxy drawn by another code returns a break radius 1.41 times too
# large, and the core's missing mass goes with its square or more. A pixel at the centre is NaN also for gamma = 0, where
# the profile is finite.
#
# petrofit asks for a function that astropy 6 removed: astropy 5.3.4 is taken here.
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check --no-deps \
    petrofit==0.5.0 numpy==1.26.4 scipy==1.14.1 astropy==5.3.4 photutils==1.13.0 pyerfa==2.0.1.5 pyyaml==6.0.3 packaging \
    matplotlib==3.9.4 contourpy cycler fonttools kiwisolver pillow pyparsing python-dateutil six
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from astropy.modeling.fitting import LevMarLSQFitter
from petrofit.modeling import Nuker2D

BREAK, ALPHA, BETA, GAMMA = 10.0, 4, 2, 0.5


def nuker(r, gamma=GAMMA):
    """Return the profile of Lauer et al. (1995), of brightness 1 at the break."""
    x = r / BREAK
    return 2 ** ((BETA - gamma) / ALPHA) * x**-gamma * (1 + x**ALPHA) ** ((gamma - BETA) / ALPHA)


slopes = {"x_0": 0, "y_0": 0, "alpha": ALPHA, "betta": BETA, "gamma": GAMMA}
model = Nuker2D(amplitude=1, r_break=BREAK, **slopes)
found = []
for r in (1.0, BREAK / 2**0.5, BREAK, 20.0):
    along_x, along_y = (float(model(np.array([x]), np.array([y]))[0]) for x, y in ((r, 0.0), (0.0, r)))
    found.append((along_x, along_y, nuker(r), nuker(2**0.5 * r)))
    print(f"petrofit {version('petrofit')}: at {r:.2f} pixels: {along_x:.3f} in x, {along_y:.3f} in y; Nuker {nuker(r):.3f}")
y, x = np.indices((41, 41)) - 20.25
fixed = dict.fromkeys(slopes, True)
fit = LevMarLSQFitter()(Nuker2D(amplitude=1, r_break=8, fixed=fixed, **slopes), x, y, nuker(np.hypot(x, y)))
centre = Nuker2D(amplitude=1, r_break=BREAK, **slopes | {"gamma": 0})(np.zeros(1), np.zeros(1))
print(f"fit to a galaxy of break radius {BREAK}: {fit.r_break.value:.2f}; centre, gamma = 0: {centre[0]}, Nuker {nuker(0.0, 0):.3f}")
found = np.array(found)
as_stated = np.allclose(found[:, 0], found[:, 3]) and np.allclose(found[:, 1], found[:, 3]) and np.isnan(centre[0])
sys.exit(0 if as_stated and abs(fit.r_break.value - 2**0.5 * BREAK) < 0.01 else 1)
PYTHON
# Seen:
#   petrofit 0.5.0: at 1.00 pixels: 3.448 in x, 3.448 in y; Nuker 4.101
#   petrofit 0.5.0: at 7.07 pixels: 1.000 in x, 1.000 in y; Nuker 1.418
#   petrofit 0.5.0: at 10.00 pixels: 0.596 in x, 0.596 in y; Nuker 1.000
#   petrofit 0.5.0: at 20.00 pixels: 0.161 in x, 0.161 in y; Nuker 0.317
#   fit to a galaxy of break radius 10.0: 14.14; centre, gamma = 0: nan, Nuker 1.414
