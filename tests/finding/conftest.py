import pytest

import params_and_cli as panel
from stronglens.finding.simulator import make_simulator


@pytest.fixture(scope="session")
def four_bands():
    """A simulator of images in four bands; it is compiled once."""
    return make_simulator(panel.FindingSimulation(bands=("VIS", "Y", "J", "H"), grid_size=42, lens_share=0.6, seed=1))


@pytest.fixture(scope="session")
def simulated(four_bands):
    """40 images, their labels, and the numbers of rejected draws."""
    return four_bands.simulate(range(40))
