#!/bin/sh
# speclite 1.0.0: stacking two spectra gives x2 - x1 where the first has weight 0, and the result depends on the order.
#
# accumulate() states x12 = (w1 x1 + w2 x2) / (w1 + w2), the weighted mean of two spectra. A bad pixel has the weight
# (inverse variance) 0, whatever its value, and one guesses that the other spectrum alone decides there. It does so when
# the bad pixel is in the second spectrum. When it is in the first one, the new output array starts at 0 instead of x1,
# and x2 - x1 is added: 5 and a bad pixel of 100 give -95, with the weight of a good pixel. A masked bad pixel in place of
# weight 0 gives another wrong number, w2 / (w1 + w2) = 1. With data_out=data1, as in the documented loop, all is right.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check speclite==1.0.0 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from speclite.accumulate import accumulate

FIELDS = [("wavelength", float), ("flux", float), ("ivar", float)]


def bad(weight):
    """Return a spectrum of two pixels, the second of which has the value 100 and a chosen weight."""
    return np.array([(4000, 2, 1), (4001, 100, weight)], FIELDS)


def mean(first, second, **output):
    """Return the mean flux and its weight in the second pixel."""
    stack = accumulate(first, second, join="wavelength", add="flux", weight="ivar", **output)
    return float(stack["flux"][1]), float(stack["ivar"][1])


good = np.array([(4000, 4, 1), (4001, 5, 1)], FIELDS)
masked = np.ma.array(bad(1))
masked["flux"][1] = np.ma.masked
first = bad(0)
found = {
    "weight 0 in the second spectrum": mean(good, bad(0)),
    "weight 0 in the first spectrum": mean(bad(0), good),
    "weight 0 in the first spectrum, written over it": mean(first, good, data_out=first),
    "masked in the first spectrum": mean(masked, good),
}
for case, (flux, weight) in found.items():
    print(f"speclite {version('speclite')}: {case}: flux {flux}, weight {weight}; the weighted mean is 5.0, weight 1.0")
sys.exit(0 if list(found.values()) == [(5.0, 1.0), (-95.0, 1.0), (5.0, 1.0), (1.0, 1.0)] else 1)
PYTHON
# Seen:
#   speclite 1.0.0: weight 0 in the second spectrum: flux 5.0, weight 1.0; the weighted mean is 5.0, weight 1.0
#   speclite 1.0.0: weight 0 in the first spectrum: flux -95.0, weight 1.0; the weighted mean is 5.0, weight 1.0
#   speclite 1.0.0: weight 0 in the first spectrum, written over it: flux 5.0, weight 1.0; the weighted mean is 5.0, weight 1.0
#   speclite 1.0.0: masked in the first spectrum: flux 1.0, weight 1.0; the weighted mean is 5.0, weight 1.0
