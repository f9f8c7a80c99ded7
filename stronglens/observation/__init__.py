"""Read external telescope images and prepare them as input of a network.

Three steps: `read_observation` reads the image, its pixel scale and its photometric calibration
from a FITS, NumPy, pickle or Zarr file, and its mask and noise map beside it; `place_center`
finds its lens; `prepare` fills masked and bad pixels, and converts the image to the zero point,
the pixels and the field of the images that a network was trained on. Every decision is noted;
what cannot be known must be given by the user.
"""

from stronglens.dataset import is_zarr
from stronglens.observation.centring import place_center, read_center
from stronglens.observation.fits_files import list_extensions
from stronglens.observation.level import describe_backgrounds, read_background
from stronglens.observation.noise import measure_noise
from stronglens.observation.pixels import FILE_ENDINGS, count_planes, cube_shape, is_fits, read_block
from stronglens.observation.preparing import Prepared, prepare
from stronglens.observation.reading import Observation, find_beside, read_observation

__all__ = [
    "FILE_ENDINGS",
    "Observation",
    "Prepared",
    "count_planes",
    "cube_shape",
    "describe_backgrounds",
    "find_beside",
    "is_fits",
    "is_zarr",
    "list_extensions",
    "measure_noise",
    "place_center",
    "prepare",
    "read_background",
    "read_block",
    "read_center",
    "read_observation",
]
