"""The smallest datasets of the reconstruction task."""

import params_and_cli as panel
from stronglens.reconstruction.scene import ReconstructionSimulator

SMALL = {"grid_size": 32, "pixel_scale": 0.24, "source_grid_size": 16}
SMALL_FLAGS = ["--task=reconstruction", *(f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items())]


def simulation(**changes):
    """Return the parameters of a small simulation."""
    cls = panel.COMMANDS["generate_data.py"]["reconstruction"]
    return cls.of(panel.OVERRIDES, task="reconstruction", **SMALL | changes)


def simulator(**changes) -> ReconstructionSimulator:
    return ReconstructionSimulator(simulation(**changes))
