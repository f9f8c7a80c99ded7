#!/bin/sh
# lenstronomy 1.14.2: a COOLEST file whose PSF is sampled 3 times finer than its image is read as 2 times finer.
#
# COOLEST gives the pixel sizes of image and PSF; lenstronomy takes int(image pixel / PSF pixel) as the factor by which
# the PSF is supersampled. 0.15 / 0.05 is 2.9999999999999996 in double precision, so that the factor becomes 2, and the
# PSF is used with a width of 1.5 times the right one, without an error. One guesses that a ratio is rounded.
# The same happens for 0.3 / 0.1, 0.6 / 0.2 and 0.35 / 0.05, and not for 0.06 / 0.02.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check lenstronomy==1.14.2 coolest==0.1.11 astropy==8.0.2 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import contextlib
import io
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from coolest.template import lazy
from coolest.template.standard import COOLEST
from lenstronomy.Util.coolest_interface import create_lenstronomy_from_coolest


def grid(name, side, pixel):
    """Write a FITS file of an even image, and return COOLEST's description of it."""
    fits.writeto(f"{name}.fits", np.full((side, side), 1 / side**2), overwrite=True)
    half = side * pixel / 2
    return lazy.PixelatedRegularGrid(
        f"{name}.fits", field_of_view_x=[-half, half], field_of_view_y=[-half, half], num_pix_x=side, num_pix_y=side
    )


def factor(pixel, psf_pixel):
    """Return the factor by which lenstronomy takes the PSF to be supersampled."""
    light, mass = lazy.LightModel("Sersic"), lazy.MassModel("PEMD")
    for profile in (*light, *mass):
        for parameter in profile.parameters.values():
            parameter.set_point_estimate(1.0)
    root = COOLEST(
        "MAP",
        lazy.CoordinatesOrigin(),
        lazy.LensingEntityList(lazy.Galaxy("lens", 0.5, lazy.LightModel(), mass), lazy.Galaxy("source", 1.0, light, lazy.MassModel())),
        lazy.Observation(grid("image", 20, pixel), 100.0, lazy.NoiseMap(grid("noise", 20, pixel)), 25.0),
        lazy.Instrument(pixel, "camera", "band", None, lazy.PixelatedPSF(grid("psf", 9, psf_pixel))),
        lazy.Cosmology(70.0, 0.3),
    )
    Path("lens.json").write_text(root.to_JSON(exclude_keys=root.exclude_keys))
    with contextlib.redirect_stdout(io.StringIO()):
        read = create_lenstronomy_from_coolest(str(Path("lens").absolute()))
    return read["kwargs_psf"]["point_source_supersampling_factor"]


found = {pair: factor(*pair) for pair in ((0.15, 0.05), (0.3, 0.15))}
for (pixel, psf_pixel), number in found.items():
    print(f'lenstronomy 1.14.2: image {pixel}", PSF {psf_pixel}": supersampling factor {number}')
sys.exit(0 if found == {(0.15, 0.05): 2, (0.3, 0.15): 2} else 1)
PYTHON
# Seen:
#   lenstronomy 1.14.2: image 0.15", PSF 0.05": supersampling factor 2
#   lenstronomy 1.14.2: image 0.3", PSF 0.15": supersampling factor 2
