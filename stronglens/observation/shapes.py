"""Check the shape and the type of arrays that are read as images."""

import textwrap

import numpy as np

from stronglens.parameters import RunError

MAX_PIXELS = 6000 * 6000
"""Largest number of pixels of an image, 0.3 GB; a lens is a few hundred pixels wide."""


def check_array(shape: tuple[int, ...], dtype: np.dtype, name: str, is_mask: bool = False) -> None:
    """Check that an array of a shape and type can be an image, or a mask.

    Raises
    ------
    RunError
    """
    if dtype.kind not in ("iufb" if is_mask else "iuf"):
        raise RunError(f"{name}: its pixels are not real numbers (they are {dtype})")
    if len(shape) != 2:
        size = " x ".join(str(count) for count in shape) or "a single number"
        what = ""
        if len(shape) == 3 and shape[2] in (3, 4) and dtype == np.uint8:
            what = "; it looks like a colour picture, whose values are not fluxes"
        elif len(shape) == 3:
            what = (
                f": it is a cube of {shape[0]} planes of {shape[2]} x {shape[1]} pixels; choose one with "
                f"--planes=0 to {shape[0] - 1}, or measure each with --planes=all"
            )
        raise RunError(f"{name}: an image has two dimensions, this has {len(shape)} ({size}){what}")
    if 0 in shape:
        raise RunError(f"{name}: the image is empty ({shape[0]} x {shape[1]} pixels)")
    if shape[0] * shape[1] > MAX_PIXELS:
        raise RunError(f"{name}: {shape[0]} x {shape[1]} pixels are too many; cut the lens out first")


def check_plane(shape: tuple[int, ...], plane: int, name: str) -> None:
    """Check that an array of a shape is a cube with a plane.

    Raises
    ------
    RunError
    """
    if len(shape) != 3:
        raise RunError(f"{name}: is one image, not a cube of planes: leave --planes out")
    if plane >= shape[0]:
        raise RunError(f"{name}: has no plane {plane}; its {shape[0]} planes are counted from 0")


def first_line(error: Exception) -> str:
    """Return the first line of a message, at most 120 characters."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return textwrap.shorten(line, 120, placeholder=" ...")
