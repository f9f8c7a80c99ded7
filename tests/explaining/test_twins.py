"""Twins: the same image without what is looked for."""

import numpy as np
import pytest
from small_datasets import SMALL_PARAMETERS

import params_and_cli as panel
from stronglens.finding.twins import simulate_twins as finding_twins
from stronglens.regression.twins import simulate_twins as regression_twins
from stronglens.substructure.twins import simulate_twins as substructure_twins


def make(task, **values):
    return panel.COMMANDS["generate_data.py"][task].of(panel.OVERRIDES, **values)


@pytest.mark.slow
def test_twins_of_finding_lack_the_source():
    parameters = make("finding", grid_size=18, over_sampling=1, generated_number=8)
    found = finding_twins(parameters, range(4))
    lenses = found.answers == "lens"
    assert lenses.any()
    # A lensed source adds light; its own photon noise takes some of it away.
    assert (found.effects.sum(axis=(1, 2))[lenses] > 0).all()
    again = finding_twins(parameters, [2])
    np.testing.assert_array_equal(again.twins[0], found.twins[2])
    stored = finding_twins(parameters, range(4), as_stored=True)
    galaxies = stored.answers == ""
    assert galaxies.any()


@pytest.mark.slow
def test_twins_of_regression_lack_the_source():
    found = regression_twins(make("regression", **SMALL_PARAMETERS, src_clumps=2), range(3))
    assert (found.effects > -1e-6).all()  # rounding of the lens's light, of 1 e-/s
    assert (found.effects.max(axis=(1, 2)) > 0.01).all()
    np.testing.assert_allclose(found.images - found.twins, found.effects, atol=1e-5)


@pytest.mark.slow
def test_twins_of_substructure_are_smooth():
    parameters = make(
        "substructure", grid_size=32, pixel_scale=0.1, over_sampling=1, subhalo_mass_min=1e8, generated_number=6
    )
    found = substructure_twins(parameters, range(3))
    assert found.answers.tolist() == ["", "sphere", "vortex"]
    assert not found.effects[0].any()
    assert all(found.effects[row].any() for row in (1, 2))


@pytest.mark.command
def test_the_mean_of_a_posterior_is_that_of_its_samples():
    """Of a normal distribution, whose samples the network has in closed form."""
    from stronglens.networks import build_backbone
    from stronglens.parameters import Column
    from stronglens.regression.explaining import explained_outputs
    from stronglens.regression.label_space import LabelSpace
    from stronglens.regression.posterior import Posterior, build_posterior
    from stronglens.scaling import ImageScaling

    columns = [Column("a", None, "a", "", prior=(0.0, 1.0), drawn=True), Column("b", "arcsec", "b", "", drawn=False)]
    space = LabelSpace.fit(columns, np.random.default_rng(0).uniform(0, 1, (100, 2)))
    image, summary = build_backbone("report", (8, 8), ImageScaling(1.0, 0.0, 1.0), 0)
    network = build_posterior("gaussian", image, summary, 2, 0)
    record = {
        "posterior": "gaussian", "label-space": space.to_dict(), "labels": [column.to_dict() for column in columns],
    }  # fmt: skip
    images = np.random.default_rng(2).normal(0, 3, (3, 8, 8)).astype(np.float32)
    samples = Posterior(network, record).sample_images(images, 4000)
    for place, output in enumerate(explained_outputs(network, record)):
        # 64 samples in pairs of opposite signs; the mean of 4000 has an error of a standard deviation over 63.
        limit = 0.1 * samples[..., place].std()
        np.testing.assert_allclose(output.score(images), samples[..., place].mean(axis=1), atol=limit)
