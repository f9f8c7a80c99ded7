#!/bin/sh
# slsim 0.1.1: half the light of a galaxy lies within 0.55 arcseconds, and slsim gives it an angular size of 0.99.
#
# DoubleSersic draws a bulge and a disk that have the shares w0 and w1 of the flux. angular_size is the half-light
# radius of the sum, and ellipticity its shape; surface_brightness_reff is computed from the size, and selections of
# sources use all three. One guesses them to be those of the galaxy that is drawn. The shares are put into the place of
# the brightnesses at the effective radii of the parts, so that a disk of five times the radius of a bulge with the same
# share gets 13 times its light. One measures the disk alone: 0.71 for 0.24 with 90 % of the light in the bulge, and the
# surface brightness is too faint by 2.4 magnitudes. The image itself has the right shares. Parts of equal
# size and index, as in a test, give the right size.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check --no-deps \
    slsim==0.1.1 lenstronomy==1.14.2 sncosmo==2.13.1 skypy==0.5.5 speclite==1.0.0 colossus==1.4.0 extinction==0.4.8 \
    numpy==2.4.6 scipy==1.17.1 astropy==8.0.2 pyerfa==2.0.1.5 pyyaml==6.0.3 h5py networkx six astropy-iers-data packaging
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.Util.data_util import magnitude2amplitude
from scipy.optimize import brentq
from scipy.special import gammainc, gammaincinv
from slsim.Sources.SourceTypes.double_sersic import DoubleSersic


def share_within(r, size, index):
    """Return the share of a round Sersic profile's light within a radius."""
    return gammainc(2 * index, gammaincinv(2 * index, 0.5) * (r / size) ** (1 / index))


found = []
for bulge, index, share in ((0.2, 4, 0.5), (0.2, 4, 0.9), (0.2, 1, 0.5), (1.0, 1, 0.5)):
    galaxy = DoubleSersic(
        angular_size_0=bulge, angular_size_1=1.0, n_sersic_0=index, n_sersic_1=1, w0=share, z=1, mag_i=20, center_x=0, center_y=0
    )
    names, parts = galaxy.kwargs_extended_light("i")
    model = LightModel(names)
    flux = np.array(model.total_flux(magnitude2amplitude(model, parts, 0)))
    drawn = flux[0] / flux.sum()
    size = brentq(lambda r: drawn * share_within(r, bulge, index) + (1 - drawn) * share_within(r, 1.0, 1) - 0.5, 0.01, 5)
    brightness = -2.5 * np.log10(flux.sum() / (2 * np.pi * size**2))
    found.append((galaxy.angular_size, size, drawn - share))
    print(
        f"slsim {version('slsim')}: bulge of {bulge} with index {index}, share of the flux {share}, drawn {drawn:.2f}: "
        f"angular size {galaxy.angular_size:.2f}, half-light radius {size:.2f}; surface brightness "
        f"{galaxy.surface_brightness_reff('i'):.2f}, right {brightness:.2f}"
    )
half, most, flat, equal = found
as_stated = half[0] > 1.5 * half[1] and most[0] > 2.5 * most[1] and flat[0] > 1.5 * flat[1] and abs(equal[0] - equal[1]) < 0.1
sys.exit(0 if as_stated and all(abs(one[2]) < 0.02 for one in found) else 1)
PYTHON
# Seen:
#   slsim 0.1.1: bulge of 0.2 with index 4, share of the flux 0.5, drawn 0.50: angular size 0.99, half-light radius 0.55; surface brightness 21.97, right 20.68
#   slsim 0.1.1: bulge of 0.2 with index 4, share of the flux 0.9, drawn 0.90: angular size 0.71, half-light radius 0.24; surface brightness 21.24, right 18.88
#   slsim 0.1.1: bulge of 0.2 with index 1, share of the flux 0.5, drawn 0.50: angular size 0.99, half-light radius 0.40; surface brightness 21.97, right 20.03
#   slsim 0.1.1: bulge of 1.0 with index 1, share of the flux 0.5, drawn 0.50: angular size 1.06, half-light radius 1.00; surface brightness 22.12, right 22.00
