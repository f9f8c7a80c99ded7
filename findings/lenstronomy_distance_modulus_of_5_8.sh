#!/bin/sh
# lenstronomy 1.14.2: a galaxy of absolute magnitude -22 at 1 Gpc gets the apparent magnitude 24.4, in place of 18.0.
#
# absolute2apparent_magnitude takes an absolute magnitude and a distance in parsec, and one guesses it to add the
# distance modulus, 5 log10(d) - 5. It adds 5.8 (log10(d) - 1). Only at 10 pc are the two the same: a galaxy at 10 Mpc
# is 4.8 magnitudes too faint, one at 1 Gpc 6.4, which is a factor of 360 in flux, and one at 10 Gpc 7.2. Lenses and
# sources that are drawn from a luminosity function in absolute magnitudes vanish in the noise.
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
from math import log10

from lenstronomy.Util.data_util import absolute2apparent_magnitude

found, right = [], []
for parsec in (10, 1e7, 1e9, 1e10):
    found.append(float(absolute2apparent_magnitude(-22, parsec)))
    right.append(-22 + 5 * log10(parsec) - 5)
    print(
        f"lenstronomy {version('lenstronomy')}: absolute magnitude -22 at {parsec:.0e} pc: "
        f"apparent magnitude {found[-1]:.1f}; right: {right[-1]:.1f}"
    )
too_faint = [round(wrong - number, 6) for wrong, number in zip(found, right)]
sys.exit(0 if too_faint == [0, 4.8, 6.4, 7.2] else 1)
PYTHON
# Seen:
#   lenstronomy 1.14.2: absolute magnitude -22 at 1e+01 pc: apparent magnitude -22.0; right: -22.0
#   lenstronomy 1.14.2: absolute magnitude -22 at 1e+07 pc: apparent magnitude 12.8; right: 8.0
#   lenstronomy 1.14.2: absolute magnitude -22 at 1e+09 pc: apparent magnitude 24.4; right: 18.0
#   lenstronomy 1.14.2: absolute magnitude -22 at 1e+10 pc: apparent magnitude 30.2; right: 23.0
