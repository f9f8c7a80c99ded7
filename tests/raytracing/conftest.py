import numpy as np
import pytest

import params_and_cli as panel
from stronglens.lens_models import LENS_MODELS
from stronglens.parameters import ranges
from stronglens.raytracing import SCENE_COLUMNS


@pytest.fixture(scope="session")
def draw_scenes():
    """Scenes from the default ranges, with the scatter of masses due to redshifts."""

    def draw(lens_model, number, seed=0, **fixed):
        rng = np.random.default_rng(seed)
        priors = ranges(panel.RegressionSimulation.of(overrides=panel.OVERRIDES, lens_model=lens_model))
        scene = {name.replace("-", "_"): rng.uniform(prior.low, prior.high, number) for name, prior in priors.items()}
        if LENS_MODELS[lens_model].is_ellipsoid:
            scene["einstein_radius_sie"] = rng.uniform(0.5, 2.0, number)
        scene |= {name: np.full(number, float(value)) for name, value in fixed.items()}
        return {name: scene[name] for name in SCENE_COLUMNS[lens_model]}

    return draw
