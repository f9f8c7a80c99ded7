"""Compound lenses: three galaxies at three redshifts."""

import numpy as np
import pytest

import params_and_cli as panel
from stronglens.finding.classes import KINDS
from stronglens.finding.compounds import COMPOUND_KINDS, choose_compounds
from stronglens.finding.simulator import make_simulator

SMALL = {"grid_size": 42, "lens_share": 1.0, "bands": ("H",)}  # the compiled program of `four_bands`


def test_some_lenses_become_compound_and_nothing_else():
    kinds = np.where(np.arange(600) % 2, KINDS.index("ring"), 0)
    chosen = choose_compounds(0, range(600), kinds, None, 0.5)
    assert (chosen[1::2] == KINDS.index("ring")).all()
    counts = np.bincount(chosen[::2], minlength=len(KINDS))
    assert counts[0] == pytest.approx(150, abs=26)  # three standard deviations of 8.7
    assert counts[list(COMPOUND_KINDS)] == pytest.approx([50, 50, 50], abs=20)
    assert (choose_compounds(0, range(600), kinds, "arcs", 1.0)[::2] == KINDS.index("compound-arcs")).all()
    assert (choose_compounds(0, range(600), kinds, None, 0.0) == kinds).all()


def test_both_sources_are_bright_and_images_depend_on_their_index_alone():
    simulator = make_simulator(panel.FindingSimulation(compound_share=0.7, **SMALL))
    images, labels, _ = simulator.simulate(range(24))
    assert np.isfinite(images).all()
    assert list(labels) == list(simulator.columns)
    kinds = labels["kind"].astype(int)
    compound = np.isin(kinds, COMPOUND_KINDS)
    assert 8 <= compound.sum() <= 23
    assert (labels["snr"] >= 20).all()
    assert (labels["middle-snr"][compound & (kinds != KINDS.index("two-lenses"))] >= 20).all()
    assert (labels["middle-snr"][~compound] == 0).all()
    assert (labels["middle-magnitude-vis"][~compound] == 99).all()
    between = (labels["lens-redshift"] < labels["middle-redshift"]) & (
        labels["middle-redshift"] < labels["src-redshift"]
    )
    assert between[compound].all()
    rows = [20, 1, 7]
    np.testing.assert_array_equal(simulator.simulate(rows)[0], images[rows])
    # Ordinary lenses are those of a dataset without compound lenses.
    plain = make_simulator(panel.FindingSimulation(**SMALL))
    assert "middle-snr" not in plain.columns
    ordinary = np.flatnonzero(~compound)[:2]
    np.testing.assert_array_equal(plain.simulate(ordinary)[0], images[ordinary])
