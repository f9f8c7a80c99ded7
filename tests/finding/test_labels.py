"""Groups of images: the challenge's rule and the doubtful images."""

import numpy as np
import pytest

from stronglens.finding.labels import DOUBTFUL, LENS, NON_LENS, label_images


@pytest.mark.parametrize(
    ("magnification", "pixels", "images", "radius", "group"),
    [
        (5.0, 200, 2, 1.0, LENS),
        (5.0, 200, 4, 1.0, LENS),
        (1.95, 25, 2, 1.0, LENS),
        (1.9, 200, 2, 1.0, DOUBTFUL),  # 1.6 x 1.2 = 1.92
        (1.3, 200, 2, 1.0, DOUBTFUL),  # 1.6 x 0.8 = 1.28
        (1.2, 200, 2, 1.0, NON_LENS),
        (5.0, 22, 2, 1.0, DOUBTFUL),
        (5.0, 10, 2, 1.0, NON_LENS),
        (1.8, 200, 1, 1.0, DOUBTFUL),  # the rule calls this single image a lens
        (1.55, 200, 1, 1.0, NON_LENS),
        (0.0, 0, 0, 0.0, NON_LENS),
        (5.0, 200, 2, 0.0, NON_LENS),
        (np.nan, 0, 0, 0.0, NON_LENS),
    ],
)
def test_groups(magnification, pixels, images, radius, group):
    assert label_images(*(np.array([value]) for value in (magnification, pixels, images, radius)))[0] == group
