#!/bin/sh
# skypy 0.5.5: a Schechter mass function with alpha = -1 has fewer galaxies than one with alpha = -1.0, or none at all.
#
# schechter_smf draws redshifts and stellar masses; the number density is phi_star times the integral of the Schechter
# function, here E1(m_min / m_star) for alpha = -1. One guesses that the integer -1 and the float -1.0 are the same
# number. The integral is written into an array of alpha's own type: for the integer its decimals are cut off. Above
# m_min = 0.43 m_star the integral is 0.66, becomes 0, and the catalogue is empty (NumPy warns of a division); above
# 0.021 m_star it is 3.29, becomes 3, and 9 % of the galaxies are missing, without a word. The luminosity function of the
# same package has no such fault.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    skypy==0.5.5 speclite==1.0.0 astropy==8.0.2 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
from astropy import units
from astropy.cosmology import FlatLambdaCDM
from scipy.special import exp1
from skypy import __version__
from skypy.galaxies import schechter_lf, schechter_smf

redshift = np.linspace(0.01, 1, 100)
cosmology = FlatLambdaCDM(H0=70, Om0=0.3)
area = 1 * units.deg**2
m_star = 10**10.67
found = []
for m_min in (1e9, 2e10):
    for alpha in (-1, -1.0):
        masses = schechter_smf(redshift, m_star, 1e-3, alpha, m_min, 1e13, area, cosmology, noise=False)[1]
        found.append(len(masses))
        print(
            f"skypy {__version__}: alpha = {alpha}, m_min = {m_min:.0e}, m_star = {m_star:.2e}: "
            f"{len(masses)} galaxies; the integral is {exp1(m_min / m_star):.3f}"
        )
for alpha in (-1, -1.0):
    magnitudes = schechter_lf(redshift, -20.5, 1e-3, alpha, 22, area, cosmology, noise=False)[1]
    found.append(len(magnitudes))
    print(f"skypy {__version__}: alpha = {alpha}, luminosity function: {len(magnitudes)} galaxies")
volume = (cosmology.differential_comoving_volume(redshift) * area).to_value("Mpc3")
for m_min, cut, right in ((1e9, *found[:2]), (2e10, *found[2:4])):
    integral = exp1(m_min / m_star) - exp1(1e13 / m_star)
    by_hand = 1e-3 * np.trapezoid(volume, redshift)
    if abs(right - by_hand * integral) > 1 or abs(cut - by_hand * int(integral)) > 1:
        sys.exit(1)
sys.exit(0 if found[2] == 0 and found[3] > 1000 and found[4] == found[5] else 1)
PYTHON
# Seen:
#   skypy 0.5.5: alpha = -1, m_min = 1e+09, m_star = 4.68e+10: 10985 galaxies; the integral is 3.289
#   skypy 0.5.5: alpha = -1.0, m_min = 1e+09, m_star = 4.68e+10: 12044 galaxies; the integral is 3.289
#   skypy 0.5.5: alpha = -1, m_min = 2e+10, m_star = 4.68e+10: 0 galaxies; the integral is 0.658
#   skypy 0.5.5: alpha = -1.0, m_min = 2e+10, m_star = 4.68e+10: 2410 galaxies; the integral is 0.658
#   skypy 0.5.5: alpha = -1, luminosity function: 778 galaxies
#   skypy 0.5.5: alpha = -1.0, luminosity function: 778 galaxies
