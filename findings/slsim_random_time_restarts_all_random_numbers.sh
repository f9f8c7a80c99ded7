#!/bin/sh
# slsim 0.1.1: the random time of a transient is always the same, and makes all later "random" lenses the same.
#
# transient_event_time_mjd(first, last) is to give a random day between two, at which a lensed supernova explodes. One
# guesses that two calls give two days, and that a seed in a function concerns that function. The seed is 42 by default,
# and is set for NumPy's global generator, from which slsim draws its galaxies, positions and noise: each call winds all
# of it back. 1000 lenses, of which each gets a position in the sky, one in the field and such a time, are one lens 1000
# times from the second on. variable_lens_injection and opsim_variable_lens_injection call it in this way, and take no
# seed. random_seed=None is the remedy, where it can be given.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check --no-deps \
    slsim==0.1.1 lenstronomy==1.14.2 numpy==2.4.6 scipy==1.17.1 pyyaml==6.0.3 \
    astropy==8.0.2 pyerfa==2.0.1.5 astropy-iers-data packaging
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from slsim.Util.param_util import draw_coord_in_circle, random_ra_dec, transient_event_time_mjd

LENSES = 1000


def lens(**seed):
    """Return a position in the sky, a position in the field, and a time."""
    ra, dec = random_ra_dec(0, 90, -30, 30, 1)
    x, y = draw_coord_in_circle(area=1.0)
    return float(ra[0]), float(dec[0]), x, y, int(transient_event_time_mjd(60_000, 64_000, **seed))


np.random.seed(1)
found = {}
for name, seed in (("default", {}), ("random_seed=None", {"random_seed": None})):
    lenses = [lens(**seed) for _ in range(LENSES)]
    found[name] = len(set(lenses)), len({one[-1] for one in lenses})
    lenses, times = found[name]
    print(f"slsim {version('slsim')}: {name}: {lenses} different lenses of {LENSES}, {times} different times")
sys.exit(0 if found["default"] == (2, 1) and found["random_seed=None"][0] == LENSES else 1)
PYTHON
# Seen:
#   slsim 0.1.1: default: 2 different lenses of 1000, 1 different times
#   slsim 0.1.1: random_seed=None: 1000 different lenses of 1000, 883 different times
