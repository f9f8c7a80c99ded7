"""Disk galaxies: unit flux and orientation."""

import numpy as np
import pytest

from stronglens.finding.disks import disk_brightness

STEP = 0.05
X, Y = np.meshgrid(np.arange(-12, 12, STEP), np.arange(-12, 12, STEP))
DISK = {
    "center-x": 0.1, "center-y": -0.05, "ellip-x": 0.1, "ellip-y": 0.15, "radius": 0.8, "width": 0.2, "arms": 2.0,
    "pitch": 0.3, "contrast": 1.5, "phase": 0.7,
}  # fmt: skip


@pytest.mark.parametrize("kind", ["spiral", "ring", "edge-on", "merger"])
def test_flux_is_one(kind):
    light = disk_brightness(kind, DISK, X, Y)
    assert light.dtype == np.float32
    assert light.min() >= 0
    # The sum over rays at 0.05" misses detail at the centre of a spiral: 0.0033 are found.
    assert abs(light.sum() * STEP**2 - 1) < 5e-3


@pytest.mark.parametrize("kind", ["ring", "edge-on"])
def test_the_long_axis_has_the_angle_of_the_ellipticity(kind):
    light = disk_brightness(kind, DISK | {"contrast": 0.0}, X, Y).astype(float)
    x, y = X - 0.1, Y + 0.05
    angle = np.arctan2(2 * (light * x * y).sum(), (light * (x**2 - y**2)).sum())
    assert abs(angle - np.arctan2(0.15, 0.1)) < 0.01


def test_a_ring_is_dark_inside():
    light = disk_brightness("ring", DISK | {"ellip-x": 0.0, "ellip-y": 0.0, "contrast": 0.0}, X, Y)
    radius = np.hypot(X - 0.1, Y + 0.05)
    assert light[radius < 0.1].max() < 0.01 * light.max()
    assert abs(radius.ravel()[light.argmax()] - 0.8) < STEP
