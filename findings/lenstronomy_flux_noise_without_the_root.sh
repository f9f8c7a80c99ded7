#!/bin/sh
# lenstronomy 1.14.2: flux_noise is proportional to the flux: 10 times too large at 100 counts a second.
#
# lenstronomy.Util.data_util.flux_noise takes counts per second and an exposure time, and gives the Gaussian
# approximation of their shot noise. One guesses sqrt(flux / time). It returns flux / sqrt(time): right at 1 count a
# second, 10 times too large at 100, in the core of a lens, and 10 times too small at 0.01, in faint arcs. A noise map
# made with it gives such pixels 100 times the weight they should have. bkg_noise, its neighbour, is right, and so is
# the method flux_noise of SingleBand.
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

import numpy as np
from lenstronomy.Util.data_util import bkg_noise, flux_noise

SECONDS, DRAWS = 400, 200_000
random = np.random.default_rng(0)
as_stated = True
for flux in (0.01, 1.0, 100.0):
    drawn = float((random.poisson(flux * SECONDS, DRAWS) / SECONDS).std())
    stated = float(flux_noise(flux, SECONDS))
    sky = float(bkg_noise(readout_noise=0, exposure_time=SECONDS, sky_brightness=flux, pixel_scale=1))
    print(
        f"lenstronomy {version('lenstronomy')}: {flux} counts/s for {SECONDS} s: flux_noise {stated:.4f}, "
        f"bkg_noise {sky:.4f}, Poisson draws {drawn:.4f}"
    )
    as_stated &= abs(sky / drawn - 1) < 0.01 and abs(stated / drawn / flux**0.5 - 1) < 0.01
sys.exit(0 if as_stated else 1)
PYTHON
# Seen:
#   lenstronomy 1.14.2: 0.01 counts/s for 400 s: flux_noise 0.0005, bkg_noise 0.0050, Poisson draws 0.0050
#   lenstronomy 1.14.2: 1.0 counts/s for 400 s: flux_noise 0.0500, bkg_noise 0.0500, Poisson draws 0.0500
#   lenstronomy 1.14.2: 100.0 counts/s for 400 s: flux_noise 5.0000, bkg_noise 0.5000, Poisson draws 0.5000
