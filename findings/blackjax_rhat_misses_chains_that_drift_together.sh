#!/bin/sh
# blackjax 1.7.1: potential_scale_reduction is below 1.001 for chains that all drift, and for one chain that is ten times
# as wide as the others.
#
# Today's R-hat (Stan, ArviZ) splits each chain into halves and ranks the draws, also those folded about the median
# (Vehtari et al. 2021, Bayesian Analysis 16, 667). blackjax computes that of 1992: means and variances of whole chains.
# Output seen, for four chains of 1000 draws (R-hat of blackjax, of blackjax for the halves of the chains, of ArviZ 0.23.4;
# blackjax's effective sample size):
#     independent                    1.0004  1.000  1.000  3,912
#     drifting together by 5 sd      0.9998  1.467  1.436     17
#     one chain ten times as wide    1.0005  1.000  1.370  3,998
# A stopping rule "R-hat < 1.01" accepts all three. The effective sample size finds the drift, not the wide chain.
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check blackjax==1.7.1 jax==0.10.2 arviz==0.23.4
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import arviz
import numpy as np
from blackjax.diagnostics import effective_sample_size, potential_scale_reduction

CHAINS, DRAWS = 4, 1000
noise = np.random.default_rng(0).standard_normal((CHAINS, DRAWS))
sets = {
    "independent": noise,
    "drifting together by 5 sd": noise + np.linspace(0, 5, DRAWS),
    "one chain ten times as wide": noise * np.array([1, 1, 1, 10])[:, None],
}
found = {}
for name, draws in sets.items():
    halves = draws.reshape(2 * CHAINS, DRAWS // 2)
    found[name] = [
        float(potential_scale_reduction(draws)),
        float(potential_scale_reduction(halves)),
        float(arviz.rhat(draws)),
        float(effective_sample_size(draws)),
    ]
    whole, split, ranked, size = found[name]
    print(
        f"blackjax {version('blackjax')}, {name}: R-hat {whole:.4f}, of halves {split:.3f}, "
        f"ArviZ {version('arviz')} {ranked:.3f}; effective sample size {size:,.0f}"
    )
independent, drifting, wide = found.values()
as_stated = (
    max(independent[0], drifting[0], wide[0]) < 1.001
    and drifting[1] > 1.2
    and wide[1] < 1.01
    and min(drifting[2], wide[2]) > 1.05
    and drifting[3] < 100
)
sys.exit(0 if as_stated else 1)
PYTHON
