#!/bin/sh
# lenstronomy 1.14.2: NFWParam.c_rho0 gives every halo the concentration it would have at the redshift of the first one.
#
# rho0_c(c, z) gives the density of an NFW halo of a concentration at a redshift, and c_rho0(rho0, z) is its inverse.
# One guesses that c_rho0(rho0_c(c, z), z) is c. It is so for the first redshift that an instance sees; the table made
# for it is kept and used for all later ones, whose redshift is ignored. After a halo at redshift 0.2, one of
# concentration 5 at redshift 1 has 7.5, and one at 2 has 11.5; after one at 2, the one at 0.2 has 2.0. The mass within
# r200 goes with the cube of the concentration, at a given scale radius: halos along a line of sight, computed with one
# NFWParam for all, depend on their order. LensCosmo, which holds one lens redshift, is right.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check --no-deps \
    lenstronomy==1.14.2 numpy==2.4.6 scipy==1.17.1 pyyaml==6.0.3 \
    astropy==8.0.2 pyerfa==2.0.1.5 astropy-iers-data packaging
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from astropy.cosmology import FlatLambdaCDM
from lenstronomy.Cosmo.nfw_param import NFWParam

CONCENTRATION = 5.0
cosmology = FlatLambdaCDM(H0=70, Om0=0.3)


def recover(redshifts):
    """Return what one instance makes of halos of the same concentration at some redshifts, one after the other."""
    halos = NFWParam(cosmology)
    return [round(float(halos.c_rho0(halos.rho0_c(CONCENTRATION, z), z)), 2) for z in redshifts]


rising, falling = recover((0.2, 1.0, 2.0)), recover((2.0, 1.0, 0.2))
alone = [recover((z,))[0] for z in (0.2, 1.0, 2.0)]
for name, numbers in (("0.2, 1, 2", rising), ("2, 1, 0.2", falling), ("0.2, 1, 2, each with its own instance", alone)):
    print(f"lenstronomy {version('lenstronomy')}: concentration 5 at redshifts {name}: recovered {numbers}")
as_stated = alone == [5.0, 5.0, 5.0] and rising[0] == falling[0] == 5.0
sys.exit(0 if as_stated and rising[1] > 6 and rising[2] > 10 and falling[2] < 3 else 1)
PYTHON
# Seen:
#   lenstronomy 1.14.2: concentration 5 at redshifts 0.2, 1, 2: recovered [5.0, 7.47, 11.47]
#   lenstronomy 1.14.2: concentration 5 at redshifts 2, 1, 0.2: recovered [5.0, 3.11, 1.97]
#   lenstronomy 1.14.2: concentration 5 at redshifts 0.2, 1, 2, each with its own instance: recovered [5.0, 5.0, 5.0]
