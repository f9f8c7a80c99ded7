#!/bin/sh
# specutils 2.4.0: the uncertainty of an equivalent width is a thousand times larger in mJy than in Jy.
#
# An equivalent width is a length, and one guesses its uncertainty to be one too: sqrt(sum(sigma^2 dx^2)) / continuum.
# equivalent_width takes the bare number of the uncertainty of the line's flux, in whatever unit that has, multiplies
# it by the root of the number of pixels, and calls the product a length; it does not divide by the continuum. The same
# spectrum of 400 pixels with 10 % noise has a width with a scatter of 2 Angstrom, and is given 40 in Jy at a continuum
# of 1 Jy, 40,000 in mJy, and 4e-16 in W m^-2 nm^-1 at 1e-17. For spectra in physical units every absorption line of a
# lens galaxy is significant; in counts, none is. The equivalent width itself is the same in all units.
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
from astropy.nddata import StdDevUncertainty
from specutils import Spectrum
from specutils.analysis import equivalent_width

REPEATS, NOISE = 200, 0.1
random = np.random.default_rng(0)
as_stated = True
for pixels in (100, 400):
    axis = (5000 + np.arange(pixels)) * units.AA
    line = 1 - 0.5 * np.exp(-0.5 * ((np.arange(pixels) - pixels / 2) / 5) ** 2)
    spectra = line + NOISE * random.standard_normal((REPEATS, pixels))
    right = NOISE * pixels**0.5
    for level, unit in ((1, units.Jy), (1000, units.mJy), (1e-17, units.Unit("W m-2 nm-1"))):
        uncertainty = StdDevUncertainty(np.full(pixels, NOISE * level))
        widths = [
            equivalent_width(
                Spectrum(flux=level * spectrum * unit, spectral_axis=axis, uncertainty=uncertainty),
                continuum=level * unit,
            )
            for spectrum in spectra
        ]
        mean, scatter = np.mean([width.value for width in widths]), np.std([width.value for width in widths])
        stated = widths[0].uncertainty.to_value("Angstrom")
        print(
            f"specutils {version('specutils')}: {pixels} pixels, continuum {level} {unit}: equivalent width {mean:.1f} "
            f"Angstrom, scatter {scatter:.1f}, stated uncertainty {stated:.3g} (right: {right:.1f})"
        )
        as_stated &= abs(scatter / right - 1) < 0.2 and abs(stated / (right * level * pixels**0.5) - 1) < 1e-6
sys.exit(0 if as_stated else 1)
PYTHON
# Seen:
#   specutils 2.4.0: 100 pixels, continuum 1 Jy: equivalent width 6.2 Angstrom, scatter 1.1, stated uncertainty 10 (right: 1.0)
#   specutils 2.4.0: 100 pixels, continuum 1000 mJy: equivalent width 6.2 Angstrom, scatter 1.1, stated uncertainty 1e+04 (right: 1.0)
#   specutils 2.4.0: 100 pixels, continuum 1e-17 W / (nm m2): equivalent width 6.2 Angstrom, scatter 1.1, stated uncertainty 1e-16 (right: 1.0)
#   specutils 2.4.0: 400 pixels, continuum 1 Jy: equivalent width 6.4 Angstrom, scatter 2.1, stated uncertainty 40 (right: 2.0)
#   specutils 2.4.0: 400 pixels, continuum 1000 mJy: equivalent width 6.4 Angstrom, scatter 2.1, stated uncertainty 4e+04 (right: 2.0)
#   specutils 2.4.0: 400 pixels, continuum 1e-17 W / (nm m2): equivalent width 6.4 Angstrom, scatter 2.1, stated uncertainty 4e-16 (right: 2.0)
