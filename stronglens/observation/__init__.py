"""Telescope images: files that nobody here made -> what a trained network takes.

Three steps: `read_observation` finds the image, its pixel scale and its photometric
calibration in a FITS, NumPy or pickle file, and its mask and noise map beside it;
`place_center` says where its lens is; `prepare` fills masked and bad pixels and brings
it to the zero point, the pixels and the field of the images that a network was trained
on. Nothing is assumed in silence: what was decided is in the notes, and what cannot be
known is asked for.
"""

from stronglens.dataset import is_zarr
from stronglens.observation.centring import place_center, read_center
from stronglens.observation.level import describe_backgrounds, read_background
from stronglens.observation.noise import measure_noise
from stronglens.observation.preparing import Prepared, prepare
from stronglens.observation.reading import FILE_ENDINGS, Observation, count_planes, find_beside, read_observation

__all__ = [
    "FILE_ENDINGS",
    "Observation",
    "Prepared",
    "count_planes",
    "describe_backgrounds",
    "find_beside",
    "is_zarr",
    "measure_noise",
    "place_center",
    "prepare",
    "read_background",
    "read_center",
    "read_observation",
]
