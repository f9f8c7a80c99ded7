#!/bin/sh
# reproject 0.21.0: background_reference=0 does not keep the background of the first image; 1 keeps that of the second.
#
# reproject_and_coadd(match_background=True) adds a constant to each image, so that they agree where they overlap.
# background_reference is the index of the image that keeps its own level, or None for corrections whose mean is zero.
# One guesses that 0 is the first image. 0 is taken for None: exposures of levels 10, 20 and 40 are put at 23.3, without
# a warning, where 1 puts them at 20 and 2 at 40. When the first one is the image whose sky has been subtracted, the
# mosaic of a lens and its arcs stands on a sky again, the mean of all. To put another image first helps.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check \
    reproject==0.21.0 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from astropy.wcs import WCS
from reproject import reproject_interp
from reproject.mosaicking import reproject_and_coadd

SIDE, LEVELS = 20, (10.0, 20.0, 40.0)
wcs = WCS(naxis=2)
wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
wcs.wcs.cdelt = [-1e-5, 1e-5]
wcs.wcs.crpix = [(SIDE + 1) / 2] * 2
wcs.wcs.crval = [150.0, 2.0]
images = [(np.full((SIDE, SIDE), level), wcs) for level in LEVELS]
found = {}
for reference in (None, 0, 1, 2):
    mosaic, _ = reproject_and_coadd(
        images,
        wcs,
        shape_out=(SIDE, SIDE),
        reproject_function=reproject_interp,
        match_background=True,
        background_reference=reference,
    )
    found[reference] = float(mosaic[5:15, 5:15].mean())
    print(
        f"reproject {version('reproject')}: images of levels {LEVELS}, background_reference={reference}: "
        f"mosaic {found[reference]:.2f}"
    )
near = {None: np.mean(LEVELS), 0: np.mean(LEVELS), 1: LEVELS[1], 2: LEVELS[2]}
sys.exit(0 if all(abs(found[reference] - level) < 0.01 for reference, level in near.items()) else 1)
PYTHON
# Seen:
#   reproject 0.21.0: images of levels (10.0, 20.0, 40.0), background_reference=None: mosaic 23.33
#   reproject 0.21.0: images of levels (10.0, 20.0, 40.0), background_reference=0: mosaic 23.33
#   reproject 0.21.0: images of levels (10.0, 20.0, 40.0), background_reference=1: mosaic 20.00
#   reproject 0.21.0: images of levels (10.0, 20.0, 40.0), background_reference=2: mosaic 40.00
