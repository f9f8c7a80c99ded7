#!/bin/sh
# tarp 0.1.1: with a seed, the bootstrap of the coverage has two different curves of 100, and an error bar of zero.
#
# get_tarp_coverage(bootstrap=True) returns one coverage curve for each bootstrap sample; their scatter is the error bar
# by which a posterior estimator (of a lens's parameters, say) is called calibrated or not. One guesses that a seed
# makes the scatter reproducible. Each bootstrap sample exchanges one simulation for another, and then sets NumPy's seed
# again: from the second sample on the same simulation is exchanged for the same other one, and nothing changes any
# more. A calibrated estimator then lies many error bars off the diagonal. Without a seed, but with reference points of
# one's own, the scatter is 3 to 6 times too small, because so little is exchanged; with random references, redrawn each
# time, it is about right. In each case the exchanges are made in the caller's own arrays: after a call without a seed,
# some 90 of 500 simulations and their posterior samples are overwritten by others.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check \
    tarp==0.1.1 numpy==2.4.6 tqdm==4.67.1 deprecation==2.1.0
"$work/venv/bin/python" - 2>/dev/null <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from tarp import get_tarp_coverage

SIMULATIONS, SAMPLES, REPEATS = 500, 200, 100
random = np.random.default_rng(0)
mean = random.normal(size=(SIMULATIONS, 2))
truth = mean + random.normal(size=(SIMULATIONS, 2))
posterior = mean + random.normal(size=(SAMPLES, SIMULATIONS, 2))
own = random.uniform(size=(SIMULATIONS, 2))


def show(name, curves, changed):
    """Print and return how many curves differ, their scatter near credibility one half, and the changed simulations."""
    different, scatter = len(np.unique(curves, axis=0)), float(curves[:, curves.shape[1] // 2].std())
    print(
        f"tarp {version('tarp')}, {name}: {different} different curves of {len(curves)}, scatter {scatter:.4f}, "
        f"{changed} of {SIMULATIONS} simulations changed"
    )
    return different, scatter, changed


found = []
for seed, references, name in (
    (1, "random", "seed"),
    (None, own, "no seed, own references"),
    (None, "random", "no seed, random references"),
):
    samples, theta = posterior.copy(), truth.copy()
    curves, _ = get_tarp_coverage(
        samples, theta, references=references, norm=True, bootstrap=True, num_bootstrap=REPEATS, seed=seed
    )
    found.append(show(name, curves, int((theta != truth).any(axis=1).sum())))
curves = []
for _ in range(REPEATS):
    drawn = random.integers(SIMULATIONS, size=SIMULATIONS)
    curves.append(get_tarp_coverage(posterior[:, drawn], truth[drawn], references=own[drawn], norm=True)[0])
found.append(show("bootstrap by hand, own references", np.array(curves), 0))
seeded, own_references, random_references, by_hand = found
as_stated = (
    seeded[0] <= 2
    and seeded[1] < 0.05 * by_hand[1]
    and own_references[1] < 0.7 * by_hand[1]
    and min(own_references[2], random_references[2]) > 50
)
sys.exit(0 if as_stated else 1)
PYTHON
# Seen:
#   tarp 0.1.1, seed: 2 different curves of 100, scatter 0.0002, 2 of 500 simulations changed
#   tarp 0.1.1, no seed, own references: 100 different curves of 100, scatter 0.0085, 89 of 500 simulations changed
#   tarp 0.1.1, no seed, random references: 100 different curves of 100, scatter 0.0208, 89 of 500 simulations changed
#   tarp 0.1.1, bootstrap by hand, own references: 100 different curves of 100, scatter 0.0231, 0 of 500 simulations changed
