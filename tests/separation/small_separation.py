"""The smallest datasets of the separation task."""

import params_and_cli as panel
from stronglens.separation.scene import SeparationSimulator

SMALL = {"grid_size": 24, "pixel_scale": 0.2, "lens_model": "sie"}
SMALL_FLAGS = ["--task=separation", *(f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items())]


def simulation(**changes):
    """Return the parameters of a small simulation."""
    cls = panel.COMMANDS["generate_data.py"]["separation"]
    return cls.of(panel.OVERRIDES, task="separation", **SMALL | changes)


def simulator(**changes) -> SeparationSimulator:
    return SeparationSimulator(simulation(**changes))
