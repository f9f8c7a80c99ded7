"""Brightness of disk galaxies: spirals, rings, edge-on disks, and the tails of mergers.

All have unit flux over the whole plane. Arms are a factor exp(k cos(...)) / I_0(k), whose mean over the polar angle in
the plane of the disk is 1, so that it does not change the flux.
"""

import math
from collections.abc import Mapping

import numpy as np
from scipy.special import erf, i0e, k1

PARAMETERS = ("center-x", "center-y", "ellip-x", "ellip-y", "radius", "width", "arms", "pitch", "contrast", "phase")
"""Columns of a disk, after the prefix ``disk-``: its centre, arcsec; the ellipticity of its projection, as of all
columns; scale radius or radius of the ring, arcsec; thickness, arcsec; number of arms; pitch angle, rad; contrast k;
phase, rad."""

TAIL = 1.2 * math.pi
"""Angle, rad, that the tail of a merger spans."""

STEPS = 64
"""Angles of the sum that gives the flux of a tail."""

NODES = np.linspace(1e-6, 16, 1024)
"""Radii, in scale lengths, at which the profile of an edge-on disk is computed; linear between, to 1e-4 of its peak."""


def disk_brightness(kind: str, parameters: Mapping[str, float], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the brightness of one disk.

    Parameters
    ----------
    kind : {"spiral", "ring", "edge-on", "merger"}
        A spiral is an exponential disk (Freeman 1970, ApJ 160, 811) with logarithmic arms. A ring is a Gaussian in
        radius. An edge-on disk is (R / h) K_1(R / h) sech^2(z / z_0) (van der Kruit & Searle 1981, A&A 95, 105). A
        merger has two logarithmic tails, the second half as bright, that fade along their length.
    parameters : mapping of str to float
        Values by the names in ``PARAMETERS``.
    x, y : ndarray, arcsec
        Rays; x to the right, y up.

    Returns
    -------
    ndarray of the shape of ``x``, float32, per square arcsecond

    Raises
    ------
    KeyError
        If there is no such kind.
    """
    parameters = {name: float(value) for name, value in parameters.items()}  # a float keeps arrays in single precision
    size = math.hypot(parameters["ellip-x"], parameters["ellip-y"])
    axis_ratio = (1 - size) / (1 + size)
    angle = math.atan2(parameters["ellip-y"], parameters["ellip-x"]) / 2
    x, y = (np.asarray(x, np.float32) - parameters["center-x"], np.asarray(y, np.float32) - parameters["center-y"])
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    if kind == "edge-on":
        return _edge_on(parameters, along, across)
    across = across / axis_ratio
    shape = {"spiral": _spiral, "ring": _ring, "merger": _tails}[kind]
    return shape(parameters, np.hypot(along, across), np.arctan2(across, along)) / axis_ratio


def _spiral(parameters, radius, angle):
    length = parameters["radius"]
    twist = np.log(np.maximum(radius, 1e-3) / length) / math.tan(parameters["pitch"])
    arms = _modulate(parameters["contrast"], parameters["arms"] * (angle - twist - parameters["phase"]))
    return np.exp(-radius / length) / (2 * math.pi * length**2) * arms


def _ring(parameters, radius, angle):
    middle, width = parameters["radius"], parameters["width"]
    arms = _modulate(parameters["contrast"], parameters["arms"] * (angle - parameters["phase"]))
    light = np.exp(-(((radius - middle) / width) ** 2) / 2)
    return light / (2 * math.pi * float(_radial_flux(middle, width))) * arms


def _edge_on(parameters, along, across):
    length, height = parameters["radius"], parameters["width"]
    decay = np.exp(-2 / height * np.abs(across))
    # sech^2 without overflow; the integral of x K_1(x) over x > 0 is pi / 2.
    profile = np.interp(np.abs(along), NODES * length, NODES * k1(NODES)).astype(np.float32)
    light = profile * (4 * decay / (1 + decay) ** 2)
    return light / (math.pi * length * 2 * height)


def _tails(parameters, radius, angle):
    nodes = (np.arange(STEPS) + 0.5) / STEPS * 2 * math.pi
    light, flux = 0.0, 0.0
    for share, turn in ((1.0, 0.0), (0.5, math.pi)):
        light = light + share * _tail(parameters, radius, angle - turn)
        middle, strength = _course(parameters, nodes)
        flux += share * float(np.mean(strength * _radial_flux(middle, parameters["width"]))) * 2 * math.pi
    return light / flux


def _tail(parameters, radius, angle):
    middle, strength = _course(parameters, np.mod(angle - parameters["phase"], 2 * math.pi))
    return strength * np.exp(-(((radius - middle) / parameters["width"]) ** 2) / 2)


def _course(parameters, angle):
    """Return radius and brightness of a tail at angles from its root, 0 to 2 pi: a smooth rise and fall."""
    share = np.minimum(angle / TAIL, 1)
    return parameters["radius"] * np.exp(angle * math.tan(parameters["pitch"])), 16 * (share * (1 - share)) ** 2


def _radial_flux(middle, width):
    """Return the integral of r exp(-(r - middle)^2 / (2 width^2)) over r > 0."""
    ratio = middle / width
    return width**2 * (np.exp(-(ratio**2) / 2) + ratio * np.sqrt(math.pi / 2) * (1 + erf(ratio / np.sqrt(2))))


def _modulate(contrast, phase):
    return np.exp(contrast * (np.cos(phase) - 1)) / float(i0e(contrast))
