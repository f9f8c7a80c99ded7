#!/bin/sh
# lenstronomy 1.14.2: make_grid_with_coordtransform with subgrid_res=4 is centred 3/8 of a pixel off the origin.
#
# make_grid and make_grid_with_coordtransform both make supersampled grids about (0, 0), and one guesses the same points
# from both. The second one centres the fine grid, and then shifts it by (1 - 1/s)/2 of a pixel, as if it began at the
# centre of a coarse pixel: by -1/4 in x and y for s = 2, by -3/8 for s = 4, also when another centre is given. An image
# of a lens drawn on such a grid and averaged over s x s points lies 3/8 of a pixel from the one drawn with s = 1, and a
# fit by another code finds the lens there. make_grid is right about the centre; with left_lower=True, its first point
# is at +0.375 arcseconds for s = 4, whatever the size of a pixel. With s = 1 all are right.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check --no-deps \
    lenstronomy==1.14.2 numpy==2.4.6 pyyaml==6.0.3
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from lenstronomy.Util.util import make_grid, make_grid_with_coordtransform

SIDE, PIXEL = 10, 0.05
as_stated = True
for s in (1, 2, 4):
    x, y = make_grid(SIDE, PIXEL, subgrid_res=s)
    other_x, other_y = make_grid_with_coordtransform(SIDE, PIXEL, subgrid_res=s, inverse=False)[:2]
    corner = make_grid(SIDE, PIXEL, subgrid_res=s, left_lower=True)[0][0]
    centre = [round(float(c.mean()) / PIXEL, 6) + 0.0 for c in (x, y)]
    other = [round(float(c.mean()) / PIXEL, 6) + 0.0 for c in (other_x, other_y)]
    print(
        f"lenstronomy {version('lenstronomy')}: subgrid_res {s}: centre in pixels {centre} by make_grid, "
        f"{other} with coordtransform; left_lower begins at {corner:.3f} arcseconds"
    )
    shift = (1 - 1 / s) / 2
    as_stated &= centre == [0, 0] and other == [-shift, -shift] and abs(corner - shift) < 1e-9
sys.exit(0 if as_stated else 1)
PYTHON
# Seen:
#   lenstronomy 1.14.2: subgrid_res 1: centre in pixels [0.0, 0.0] by make_grid, [0.0, 0.0] with coordtransform; left_lower begins at 0.000 arcseconds
#   lenstronomy 1.14.2: subgrid_res 2: centre in pixels [0.0, 0.0] by make_grid, [-0.25, -0.25] with coordtransform; left_lower begins at 0.250 arcseconds
#   lenstronomy 1.14.2: subgrid_res 4: centre in pixels [0.0, 0.0] by make_grid, [-0.375, -0.375] with coordtransform; left_lower begins at 0.375 arcseconds
