#!/bin/sh
# drizzle 3.0.0: without out_shape, the second exposure of a star lands on another pixel than the first.
#
# Drizzle() may be made without a shape; add_image then takes the shape from the first exposure's pixmap, and subtracts
# the pixmap's smallest x and y, so that the exposure begins at pixel 0. One guesses that every exposure is moved by the
# same amount. Only the first one is: the others are placed where their pixmap says. Two equal exposures with the same
# pixmap, beginning at pixel (3, 3), are added 3 pixels apart, and the part of the second one that falls outside is
# dropped: one star becomes two, without an error. A stack of dithered exposures of a lens shows a second image of it.
# The shape is also taken as (x, y): an exposure of 6 rows and 10 columns gives 10 rows and 6 columns, and 4 columns are
# lost. With out_shape given, all is right.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check \
    drizzle==3.0.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from drizzle.resample import Drizzle


def stack(rows, columns, begin, **shape):
    """Add two equal exposures of a star on a sky of zero; return the shape, and where light is, as (x, y, value)."""
    exposure = np.zeros((rows, columns))
    exposure[4, 4] = 1
    y, x = np.indices(exposure.shape, dtype=float)
    drizzle = Drizzle(**shape)
    for _ in range(2):
        drizzle.add_image(exposure, exptime=1, pixmap=np.dstack([x + begin, y + begin]))
    image = np.nan_to_num(drizzle.out_img)
    return image.shape, [(int(x), int(y), round(float(image[y, x]), 2)) for y, x in np.argwhere(image)]


cases = {
    "8 x 8, pixmap from 3, no out_shape": stack(8, 8, 3),
    "8 x 8, pixmap from 3, out_shape (11, 11)": stack(8, 8, 3, out_shape=(11, 11)),
    "8 x 8, pixmap from 0, no out_shape": stack(8, 8, 0),
    "6 x 10, pixmap from 0, no out_shape": stack(6, 10, 0),
    "6 x 10, pixmap from 0, out_shape (6, 10)": stack(6, 10, 0, out_shape=(6, 10)),
}
for case, (shape, stars) in cases.items():
    print(f"drizzle {version('drizzle')}: {case}: image {shape}, stars (x, y, value) {stars}")
expected = [
    ((8, 8), [(4, 4, 0.5), (7, 7, 0.5)]),
    ((11, 11), [(7, 7, 1.0)]),
    ((8, 8), [(4, 4, 1.0)]),
    ((10, 6), [(4, 4, 1.0)]),
    ((6, 10), [(4, 4, 1.0)]),
]
sys.exit(0 if list(cases.values()) == expected else 1)
PYTHON
# Seen:
#   drizzle 3.0.0: 8 x 8, pixmap from 3, no out_shape: image (8, 8), stars (x, y, value) [(4, 4, 0.5), (7, 7, 0.5)]
#   drizzle 3.0.0: 8 x 8, pixmap from 3, out_shape (11, 11): image (11, 11), stars (x, y, value) [(7, 7, 1.0)]
#   drizzle 3.0.0: 8 x 8, pixmap from 0, no out_shape: image (8, 8), stars (x, y, value) [(4, 4, 1.0)]
#   drizzle 3.0.0: 6 x 10, pixmap from 0, no out_shape: image (10, 6), stars (x, y, value) [(4, 4, 1.0)]
#   drizzle 3.0.0: 6 x 10, pixmap from 0, out_shape (6, 10): image (6, 10), stars (x, y, value) [(4, 4, 1.0)]
