"""Telescope images: files that nobody here made -> what a trained network takes.

Two steps: `read_observation` finds the image, its pixel scale and its photometric
calibration in a FITS, NumPy or pickle file; `prepare` brings it to the zero point, the
pixels and the field of the images that a network was trained on. Nothing is assumed in
silence: what was decided is in the notes, and what cannot be known is asked for.
"""

from stronglens.observation.preparing import prepare
from stronglens.observation.reading import Observation, read_observation

__all__ = ["Observation", "prepare", "read_observation"]
