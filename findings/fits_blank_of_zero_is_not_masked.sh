#!/bin/sh
# astropy 8.0.2: pixels with the value of BLANK become NaN, unless that value is 0.
#
# The FITS standard (4.0, section 4.4.2.5) lets BLANK be any integer: it marks undefined pixels of an integer image.
# Cameras and mosaics that leave 0 outside of the field write BLANK = 0. One guesses that astropy treats it as any other
# value. It does not: with BLANK = 5 the pixel of value 5 is NaN; with BLANK = 0 the pixel of value 0 stays 0, or becomes
# BZERO when the image is scaled, an ordinary brightness. The image is converted to floats in both cases.
#
# Exits with 0 while this holds, else with 1.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check astropy==8.0.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PYTHON'
import io
import sys

import numpy as np
from astropy import __version__
from astropy.io import fits


def read(blank, scale=None):
    """Write an image of 16-bit integers with a BLANK keyword, and read it back."""
    file = io.BytesIO()
    fits.PrimaryHDU(np.array([[0, 5], [7, 100]], ">i2")).writeto(file)
    content = file.getvalue()
    header = fits.Header.fromstring(content[:2880].decode())
    header["BLANK"] = blank
    if scale:
        header["BSCALE"], header["BZERO"] = scale
    with fits.open(io.BytesIO(header.tostring(padding=True).encode() + content[2880:])) as hdus:
        return hdus[0].data


found = {}
for blank in (5, 0):
    for scale in (None, (0.5, 10.0)):
        data = read(blank, scale)
        found[blank, scale] = data.ravel().tolist()
        print(f"astropy {__version__}: BLANK = {blank}, BSCALE, BZERO = {scale}: {data.dtype} {data.ravel().tolist()}")
five = np.isnan(found[5, None]).sum() == np.isnan(found[5, (0.5, 10.0)]).sum() == 1
zero = found[0, None] == [0.0, 5.0, 7.0, 100.0] and found[0, (0.5, 10.0)] == [10.0, 12.5, 13.5, 60.0]
sys.exit(0 if five and zero else 1)
PYTHON
# Seen:
#   astropy 8.0.2: BLANK = 5, BSCALE, BZERO = None: float32 [0.0, nan, 7.0, 100.0]
#   astropy 8.0.2: BLANK = 5, BSCALE, BZERO = (0.5, 10.0): float32 [10.0, nan, 13.5, 60.0]
#   astropy 8.0.2: BLANK = 0, BSCALE, BZERO = None: float32 [0.0, 5.0, 7.0, 100.0]
#   astropy 8.0.2: BLANK = 0, BSCALE, BZERO = (0.5, 10.0): float32 [10.0, 12.5, 13.5, 60.0]
