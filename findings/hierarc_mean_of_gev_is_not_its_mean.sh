#!/bin/sh
# hierarc 1.2.0: an external convergence with "mean" 0 and xi = -0.3 has the mean 0.05 and a long tail, xi = +0.3 none.
#
# The convergence along the line of sight to a lens is drawn from a generalised extreme value distribution of "mean",
# "sigma" and "xi". One guesses the mean to be the mean, and xi the usual shape: positive for a heavy tail towards large
# values, as dense lines of sight have. "mean" is the location, which lies below the mean, and below the median. xi is
# handed on as SciPy's shape, which has the opposite sign. For sigma 0.05, "mean" 0 gives means of 0.050, 0.029 and
# 0.017 for xi = -0.3, 0 and 0.3. The Hubble constant goes with one minus the convergence: it is off by 2 to 5 %, as
# much as is to be measured. "sigma" is not the standard deviation either, which is 0.05 to 0.12. For
# "GAUSSIAN", chosen by one word in the same place, "mean" and "sigma" are what they are called.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check --no-deps \
    hierarc==1.2.0 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from hierarc.Sampling.Distributions.los_distributions import LOSDistribution

DRAWS, SIGMA = 200_000, 0.05
np.random.seed(1)


def draw(name, **shape):
    """Return draws of the external convergence from a distribution of "mean" 0."""
    lines_of_sight = LOSDistribution(global_los_distribution=0, los_distributions=[name])
    return lines_of_sight.draw_los([{"mean": 0.0, "sigma": SIGMA, **shape}], size=DRAWS)


found = {"GAUSSIAN": draw("GAUSSIAN")}
found |= {f"GEV, xi = {xi}": draw("GEV", xi=xi) for xi in (-0.3, 0.0, 0.3)}
for name, kappa in found.items():
    print(
        f"hierarc {version('hierarc')}: {name}: mean {kappa.mean():.3f}, median {np.median(kappa):.3f}, "
        f"standard deviation {kappa.std():.3f}, largest {kappa.max():.2f}"
    )
gaussian, heavy, middle, bounded = found.values()
end = SIGMA / 0.3
as_stated = (
    abs(gaussian.mean()) < 0.001
    and abs(heavy.mean() - 0.049) < 0.003
    and abs(middle.mean() - 0.029) < 0.001
    and abs(bounded.mean() - 0.017) < 0.001
    and heavy.max() > 1
    and bounded.max() < end
)
sys.exit(0 if as_stated else 1)
PYTHON
# Seen:
#   hierarc 1.2.0: GAUSSIAN: mean 0.000, median 0.000, standard deviation 0.050, largest 0.22
#   hierarc 1.2.0: GEV, xi = -0.3: mean 0.050, median 0.019, standard deviation 0.118, largest 5.75
#   hierarc 1.2.0: GEV, xi = 0.0: mean 0.029, median 0.018, standard deviation 0.064, largest 0.66
#   hierarc 1.2.0: GEV, xi = 0.3: mean 0.017, median 0.017, standard deviation 0.049, largest 0.16
