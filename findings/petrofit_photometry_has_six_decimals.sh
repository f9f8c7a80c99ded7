#!/bin/sh
# petrofit 0.5.0: the same galaxy has a half-light radius of 10.1 pixels in counts, 3.1 in Jy, and none in W/m^2.
#
# radial_photometry sums an image inside of circles, and Petrosian takes the sums for a radius and a magnitude. One
# guesses that the unit of the image does not matter to a radius. Each sum is rounded to six decimals of whatever unit
# it has. A galaxy of 21.2 magnitudes, 1.2e-5 Jy in all, has a curve of growth of twelve steps: its Petrosian radius is
# 2.6 pixels in place of 22.5, and its total flux 1.9 magnitudes too faint. Ten times brighter, the half-light radius
# comes back; ten times fainter, or in the flux units of most space telescopes, every sum is 0 and every result NaN. A
# stack of fields of unequal depth mixes all three. Errors are rounded as well. Multiply the image by 1e9 or so first.
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
from astropy.modeling.models import Sersic2D
from petrofit.petrosian import Petrosian
from petrofit.photometry import radial_photometry

CENTRE, RADIUS = 100, 10.0
y, x = np.indices((201, 201))
galaxy = Sersic2D(amplitude=1, r_eff=RADIUS, n=1, x_0=CENTRE, y_0=CENTRE)(x, y)
radii = np.arange(1.0, 81.0)
found = []
for total in (1195.0, 1.2e-4, 1.2e-5, 1.2e-6):
    sums, areas, _ = radial_photometry(galaxy / galaxy.sum() * total, (CENTRE, CENTRE), radii)
    result = Petrosian(radii, areas, sums)
    found.append((result.r_half_light, result.r_petrosian, result.total_flux / total))
    print(
        f"petrofit {version('petrofit')}: image of total {total}: half-light radius {result.r_half_light:.1f}, "
        f"Petrosian radius {result.r_petrosian:.1f} pixels, total flux {result.total_flux / total:.2f} of the right one"
    )
counts, bright, faint, fainter = found
as_stated = (
    all(abs(one[0] - RADIUS) < 0.5 and one[2] > 0.95 for one in (counts, bright))
    and faint[0] < 0.5 * RADIUS
    and faint[2] < 0.3
    and np.isnan(fainter).all()
)
sys.exit(0 if as_stated else 1)
PYTHON
# Seen:
#   petrofit 0.5.0: image of total 1195.0: half-light radius 10.1, Petrosian radius 22.5 pixels, total flux 1.00 of the right one
#   petrofit 0.5.0: image of total 0.00012: half-light radius 10.0, Petrosian radius 21.1 pixels, total flux 0.99 of the right one
#   petrofit 0.5.0: image of total 1.2e-05: half-light radius 3.1, Petrosian radius 2.6 pixels, total flux 0.17 of the right one
#   petrofit 0.5.0: image of total 1.2e-06: half-light radius nan, Petrosian radius nan pixels, total flux nan of the right one
