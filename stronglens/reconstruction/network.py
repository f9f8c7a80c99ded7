"""Networks that reconstruct a source: a regularised inversion, then learned corrections.

Two networks begin from the non-negative inversion. ``unet`` corrects it once. ``rim``, a recurrent inference machine
(Putzky & Welling 2017, arXiv:1706.04008; Morningstar et al. 2019, ApJ 883, 14), corrects it in steps: each sees the
estimate and the gradient of the likelihood there, and hands a memory on. Both also give the logarithm of the variance
of each source pixel. ``none`` is the inversion alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stronglens.reconstruction.inversion import choose_strength, curvature, invert, largest_weight, project
from stronglens.reconstruction.operator import LENS_COLUMNS, Operator, gaussian_blur, pixel_rays, trace_rays
from stronglens.training import keras

ops = keras.ops

KINDS = ("rim", "unet", "none")
CHANNELS, MEMORY = 64, 32
FEATURES = 5
START_STEP = 0.5
"""Step along the preconditioned gradient that a correction of the RIM adds to."""
CORRECTION = 0.3
"""Scale of a learned correction, sources having a peak of 1."""
FIRST_VARIANCE = 0.03**2
"""Variance of a source pixel that an untrained network gives."""


def build_network(kind: str, camera: "Camera", seed: int, steps: int = 4) -> keras.Model:
    """Build an untrained network that reconstructs sources.

    Parameters
    ----------
    kind : {"rim", "unet", "none"}
    camera : Camera
    seed : int
    steps : int, corrections of the RIM

    Returns
    -------
    keras.Model
        Inputs: ``image`` (B, H, H), sources having a peak of about 1; ``lens`` (B, 7), `operator.LENS_COLUMNS`;
        ``noise`` (B, H, H), standard deviation of each pixel, infinite where it is masked; ``psf_fwhm`` (B, 1), arcsec.
        Output: (B, steps + 2, S, S): the inversion, the estimate after each step, and the log variance of the last.
    """
    side = camera.side
    inputs = {
        "image": keras.Input((side, side), name="image"),
        "lens": keras.Input((len(LENS_COLUMNS),), name="lens"),
        "noise": keras.Input((side, side), name="noise"),
        "psf_fwhm": keras.Input((1,), name="psf_fwhm"),
    }
    layer = Reconstruction(kind, steps if kind == "rim" else 1 if kind == "unet" else 0, camera.to_dict(), seed=seed,
                           name="reconstruction")  # fmt: skip
    return keras.Model(inputs, layer(*inputs.values()), name=kind)
