"""Ray tracing of noiseless images in batches, with PyAutoLens's profiles and fast subclasses of them.

Only this package imports autolens. The import has side effects: it logs to standard output at level INFO through the
root logger, which is undone here, and it switches JAX to 64 bits (computations here set their own precision locally).
"""

import logging
import os

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # leave GPU memory to the training of a network
for _name in ("jax._src.xla_bridge", "autonerves", "autofit", "autoarray", "autogalaxy", "autolens"):
    logging.getLogger(_name).setLevel(logging.WARNING)
_root = logging.getLogger()
_handlers, _level = list(_root.handlers), _root.level

import autolens  # noqa: E402, F401

_root.handlers[:] = _handlers
_root.setLevel(_level)

from stronglens.raytracing.convergence import convergence_maps  # noqa: E402
from stronglens.raytracing.einstein_radius import einstein_radius, sersic_flux, source_flux_in_field  # noqa: E402
from stronglens.raytracing.images import ImageRenderer, has_gpu  # noqa: E402
from stronglens.raytracing.perturbers import (  # noqa: E402
    Perturbers,
    enclosed_strength,
    total_mass_of_truncated_nfw,
)
from stronglens.raytracing.refinement import needs_refinement  # noqa: E402
from stronglens.raytracing.scene import SCENE_COLUMNS, clump_columns, columns_of_clump  # noqa: E402

__all__ = [
    "SCENE_COLUMNS",
    "ImageRenderer",
    "Perturbers",
    "clump_columns",
    "columns_of_clump",
    "convergence_maps",
    "einstein_radius",
    "enclosed_strength",
    "has_gpu",
    "needs_refinement",
    "sersic_flux",
    "source_flux_in_field",
    "total_mass_of_truncated_nfw",
]
