#!/bin/sh
# specutils 2.4.0: smoothing a spectrum over 5 pixels raises its uncertainty by 2.24, where the noise falls by 2.24.
#
# convolution_smooth, and box_, gaussian_ and trapezoid_smooth with it, propagate the uncertainty by the usual rule for
# independent pixels, and one guesses the variance to become sum(k^2 sigma^2) for the normalised kernel k. The inverse
# variance is convolved with k^2 in its place: sum(k^2 / sigma^2). For even noise that gives sigma / sqrt(sum(k^2)) for
# sigma * sqrt(sum(k^2)): a box of n pixels is wrong by a factor n, for each of the three kinds of uncertainty. A fit of
# a source's redshift to smoothed lines has an n^2 times too small chi^2; a line of 15 sigma in a box of 9 has only 1.7.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check \
    specutils==2.4.0 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from astropy import units
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from specutils import Spectrum
from specutils.manipulation import box_smooth, gaussian_smooth

PIXELS = 100_000
flux = np.random.default_rng(0).standard_normal(PIXELS) * units.Jy
axis = (5000 + np.arange(PIXELS)) * units.AA
as_stated = True
for smooth, size in ((box_smooth, 5), (box_smooth, 9), (gaussian_smooth, 2)):
    for kind in (StdDevUncertainty, VarianceUncertainty, InverseVariance):
        smoothed = smooth(Spectrum(flux=flux, spectral_axis=axis, uncertainty=kind(np.ones(PIXELS))), size)
        noise = float(smoothed.flux.value.std())
        stated = float(smoothed.uncertainty.represent_as(StdDevUncertainty).array[PIXELS // 2])
        print(
            f"specutils {version('specutils')}: {smooth.__name__}({size}), {kind.__name__}: "
            f"noise 1 becomes {noise:.3f}, uncertainty 1 becomes {stated:.3f}"
        )
        as_stated &= abs(stated * noise - 1) < 0.02 and noise < 0.5
sys.exit(0 if as_stated else 1)
PYTHON
# Seen:
#   specutils 2.4.0: box_smooth(5), StdDevUncertainty: noise 1 becomes 0.447, uncertainty 1 becomes 2.236
#   specutils 2.4.0: box_smooth(5), VarianceUncertainty: noise 1 becomes 0.447, uncertainty 1 becomes 2.236
#   specutils 2.4.0: box_smooth(5), InverseVariance: noise 1 becomes 0.447, uncertainty 1 becomes 2.236
#   specutils 2.4.0: box_smooth(9), StdDevUncertainty: noise 1 becomes 0.332, uncertainty 1 becomes 3.000
#   specutils 2.4.0: box_smooth(9), VarianceUncertainty: noise 1 becomes 0.332, uncertainty 1 becomes 3.000
#   specutils 2.4.0: box_smooth(9), InverseVariance: noise 1 becomes 0.332, uncertainty 1 becomes 3.000
#   specutils 2.4.0: gaussian_smooth(2), StdDevUncertainty: noise 1 becomes 0.375, uncertainty 1 becomes 2.663
#   specutils 2.4.0: gaussian_smooth(2), VarianceUncertainty: noise 1 becomes 0.375, uncertainty 1 becomes 2.663
#   specutils 2.4.0: gaussian_smooth(2), InverseVariance: noise 1 becomes 0.375, uncertainty 1 becomes 2.663
