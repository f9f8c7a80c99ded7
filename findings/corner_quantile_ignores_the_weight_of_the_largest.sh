#!/bin/sh
# corner 2.3.0: the weight of the largest sample has no effect on a weighted quantile, be it 0.01 or 0.98 of the sum.
#
# corner.quantile, which also makes the titles and dashed lines of a corner plot, takes a weight for each sample. One
# guesses that a sample with nearly all of the weight is the median. The cumulative sum leaves the last sample out, and
# is divided by what remains. Einstein radii of 0.9, 1.0 and 1.1 with weights 0.01, 0.01 and 0.98 have the "median" 1.0,
# the same as with 0.495, 0.495 and 0.01; their negatives do not have the negative median. With equal weights it is
# NumPy's quantile, and the thousands of samples of a nested sampler hide the rest. It is seen where few samples carry
# the weight: when draws of a network's posterior are reweighted by the likelihood of the image, and the largest fits.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check \
    corner==2.3.0 matplotlib==3.10.8 numpy==2.4.6
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from corner import quantile

found = []
for samples, weights in (
    ([0.9, 1.0, 1.1], [0.01, 0.01, 0.98]),
    ([0.9, 1.0, 1.1], [0.495, 0.495, 0.01]),
    ([0.9, 1.0, 1.1], [0.98, 0.01, 0.01]),
):
    median = quantile(samples, 0.5, weights=np.array(weights))[0]
    mirrored = -quantile([-sample for sample in samples], 0.5, weights=np.array(weights))[0]
    found.append((round(median, 3), round(mirrored, 3)))
    print(
        f"corner {version('corner')}: samples {samples}, weights {weights}: median {median:.3f}, "
        f"by the samples with opposite signs {mirrored:.3f}"
    )
sys.exit(0 if found == [(1.0, 1.049), (1.0, 0.951), (0.951, 1.0)] else 1)
PYTHON
# Seen:
#   corner 2.3.0: samples [0.9, 1.0, 1.1], weights [0.01, 0.01, 0.98]: median 1.000, by the samples with opposite signs 1.049
#   corner 2.3.0: samples [0.9, 1.0, 1.1], weights [0.495, 0.495, 0.01]: median 1.000, by the samples with opposite signs 0.951
#   corner 2.3.0: samples [0.9, 1.0, 1.1], weights [0.98, 0.01, 0.01]: median 0.951, by the samples with opposite signs 1.000
