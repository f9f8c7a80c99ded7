"""Draws to batches of noiseless images, with PyAutoLens's profiles. The only room that knows PyAutoLens."""

import logging
import os

# Whoever trains in the same process needs memory of the GPU as well.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
# PyAutoLens logs how it sets up JAX, and JAX that it finds no TPU: nothing a user has asked about.
logging.getLogger("jax._src.xla_bridge").setLevel(logging.ERROR)
logging.getLogger("autonerves").setLevel(logging.ERROR)

from stronglens.raytracing.images import SCENE_COLUMNS, ImageRenderer  # noqa: E402
from stronglens.raytracing.integrals import einstein_radius, sersic_flux_in_field  # noqa: E402

__all__ = ["SCENE_COLUMNS", "ImageRenderer", "einstein_radius", "sersic_flux_in_field"]
