#!/bin/sh
# gigalens 0.1.8: with JAX, a round Sersic source of Ie = 10 is ten times as bright as an elliptical one with e = 0.
#
# SERSIC and SERSIC_ELLIPSE share their parameters, and Ie is the brightness at the half-light radius. One guesses that
# e1 = e2 = 0 makes them equal. The round one is multiplied by Ie twice: 100 at the half-light radius for Ie = 10, and
# 0.01 for 0.1; only Ie = 1 is right. Every difference in magnitude is doubled: a set of training images has a range of
# brightnesses twice as wide as its prior. A core is no better: CORE_SERSIC without a core
# (Rb = 0) is to be the Sersic profile again. In place of the root 1 / (alpha n) it divides by alpha n: with alpha 2 it
# is a Gaussian for every n, and 1 / e of Ie in front of it is left over.
#
# Only Shapelets, a profile beside these, need TensorFlow Probability, a large package: it is left out.
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check \
    jax==0.10.2 numpy==2.4.6 scipy==1.17.1
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check --no-deps gigalens==0.1.8
"$work/venv/bin/python" - <<'PYTHON'
import sys
import types
from importlib.metadata import version

import jax.numpy as jnp
import numpy as np

sys.modules["gigalens.jax.profiles.light.shapelets"] = types.ModuleType("shapelets")
from gigalens.jax.profiles.light.sersic import CoreSersic, Sersic, SersicEllipse

RADIUS = 2.0
r = jnp.array([0.5, 1.0, 2.0, 3.0])
place = {"x": r, "y": jnp.zeros_like(r), "R_sersic": RADIUS, "center_x": 0.0, "center_y": 0.0}
found = []
for brightness in (0.1, 1.0, 10.0):
    values = place | {"n_sersic": 1.5, "Ie": brightness}
    round_one, ellipse = Sersic().light(**values), SersicEllipse().light(**values, e1=0.0, e2=0.0)
    found.append(float(round_one[2] / ellipse[2]) / brightness)
    print(
        f"gigalens {version('gigalens')}: Ie = {brightness}: at the half-light radius {float(round_one[2]):.3g} with SERSIC, "
        f"{float(ellipse[2]):.3g} with SERSIC_ELLIPSE"
    )
as_stated = np.allclose(found, 1, rtol=1e-4)
for n in (1.0, 4.0):
    values = place | {"n_sersic": n, "Ie": 1.0, "e1": 0.0, "e2": 0.0}
    core, ellipse = CoreSersic().light(**values, Rb=0.0, alpha=2.0, gamma=0.5), SersicEllipse().light(**values)
    gaussian = np.exp(-(1.9992 * n - 0.3271) * (np.asarray(r) / RADIUS) ** 2 / (2 * n) - 1)
    as_stated &= np.allclose(core, gaussian, rtol=1e-4)
    print(f"n = {n}: CORE_SERSIC without a core {np.asarray(core).round(3)}, SERSIC_ELLIPSE {np.asarray(ellipse).round(3)}")
sys.exit(0 if as_stated else 1)
PYTHON
# Seen:
#   gigalens 0.1.8: Ie = 0.1: at the half-light radius 0.01 with SERSIC, 0.1 with SERSIC_ELLIPSE
#   gigalens 0.1.8: Ie = 1.0: at the half-light radius 1 with SERSIC, 1 with SERSIC_ELLIPSE
#   gigalens 0.1.8: Ie = 10.0: at the half-light radius 100 with SERSIC, 10 with SERSIC_ELLIPSE
#   n = 1.0: CORE_SERSIC without a core [0.349 0.298 0.159 0.056], SERSIC_ELLIPSE [3.505 2.307 1.    0.433]
#   n = 4.0: CORE_SERSIC without a core [0.346 0.289 0.141 0.043], SERSIC_ELLIPSE [9.454 3.388 1.    0.441]
