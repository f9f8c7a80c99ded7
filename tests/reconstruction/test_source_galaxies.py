import numpy as np
import pytest

from stronglens.observation.deep_field import read_deep_field
from stronglens.observation.galaxies import half_light, measure_galaxy
from stronglens.parameters import UsageError
from stronglens.reconstruction.galaxies import FIELD, PHOTOGRAPH, SIDE, draw_galaxies, place_photograph
from stronglens.reconstruction.morphology import KINDS

PIXEL = FIELD / SIDE


@pytest.fixture(scope="module")
def photographs():
    return read_deep_field()


@pytest.fixture(scope="module")
def drawn(photographs):
    return draw_galaxies(7, range(60), photographs, 0.3)


def test_a_galaxy_depends_on_its_index_alone(drawn, photographs):
    some = draw_galaxies(7, [41, 3], photographs, 0.3)
    np.testing.assert_array_equal(some.images, drawn.images[[41, 3]])
    np.testing.assert_array_equal(some.satellites, drawn.satellites[[41, 3]])
    assert np.abs(draw_galaxies(8, [3]).images - drawn.images[3]).max() > 0.1


def test_galaxies_are_images_of_peak_one_within_the_field(drawn):
    assert drawn.images.dtype == np.float32
    assert drawn.images.min() >= 0
    np.testing.assert_allclose(drawn.images.max(axis=(1, 2)), 1, rtol=1e-6)
    rim = np.concatenate([drawn.images[:, [0, -1]], drawn.images[:, :, [0, -1]].transpose(0, 2, 1)], axis=1)
    assert rim.max() < 1e-6  # nothing is cut off
    near = np.abs(np.arange(SIDE) - (SIDE - 1) / 2) * PIXEL < 0.7
    assert np.all(drawn.images[:, near][:, :, near].sum(axis=(1, 2)) > 0.99 * drawn.images.sum(axis=(1, 2)))


def test_half_light_radii_are_as_asked(drawn):
    found = np.array([half_light(image)[1] for image in drawn.images]) * PIXEL
    np.testing.assert_allclose(found, drawn.radii, rtol=0.1)
    assert drawn.radii.min() >= 0.09
    assert drawn.radii.max() <= 0.28


def test_all_kinds_are_drawn(drawn):
    assert set(drawn.kinds) == {*KINDS, PHOTOGRAPH}
    np.testing.assert_array_equal(drawn.checksums > 0, drawn.kinds == PHOTOGRAPH)
    assert np.mean(drawn.kinds == PHOTOGRAPH) == pytest.approx(0.3, abs=0.2)  # three standard deviations of 60


def test_satellites_are_where_they_are_said_to_be():
    drawn = draw_galaxies(0, range(40))
    contrast = {1: [], -1: []}  # at satellites, and at places opposite the field's middle
    for image, places in zip(drawn.images, drawn.satellites, strict=True):
        for x, y in places[~np.isnan(places[:, 0])]:
            for sign, found in contrast.items():
                row, column = (SIDE - 1) / 2 - sign * y / PIXEL, (SIDE - 1) / 2 + sign * x / PIXEL
                away = np.hypot(np.arange(SIDE)[:, None] - row, np.arange(SIDE) - column)
                found.append(image[away < 2].mean() - image[(away > 6) & (away < 8)].mean())
    assert len(contrast[1]) > 10
    assert np.median(contrast[1]) > 0.02 > np.median(contrast[-1])  # of a peak of 1


def test_a_photograph_is_turned_scaled_and_placed():
    y, x = np.mgrid[:90, :110].astype(float)
    light = np.exp(-0.5 * (((x - 60) / 12) ** 2 + ((y - 40) / 5) ** 2)) + 0.5 * np.exp(
        -0.5 * np.hypot(x - 80, y - 40) ** 2 / 9
    )  # along x, brighter on the right
    galaxy = measure_galaxy(light)
    image = place_photograph(galaxy, 0.15, place=(0.1, -0.05))
    centre, radius = half_light(image)
    assert radius * PIXEL == pytest.approx(0.15, rel=0.05)
    np.testing.assert_allclose((centre - (SIDE - 1) / 2) * PIXEL, [0.05, 0.1], atol=0.01)  # y points up
    still = place_photograph(galaxy, 0.15)
    np.testing.assert_allclose(place_photograph(galaxy, 0.15, angle=np.pi / 2), np.rot90(still), atol=0.01)
    np.testing.assert_allclose(place_photograph(galaxy, 0.15, mirror=True), still[:, ::-1], atol=0.01)


def test_a_large_photograph_is_averaged_before_it_is_sampled():
    random = np.random.default_rng(0)
    away = np.hypot(*np.mgrid[-300:301, -300:301])
    smooth = np.exp(-away / 60)
    noisy = smooth * (1 + random.normal(0, 0.3, smooth.shape))  # of single pixels, ten to one of the field's
    images = [place_photograph(measure_galaxy(light.clip(min=0)), 0.1) for light in (smooth, noisy)]
    assert np.std(images[1] - images[0]) < 0.03  # 0.3 where it is sampled without averages


def test_small_and_large_fields_hold_the_same_galaxy(drawn):
    small = draw_galaxies(7, [0, 1], side=64)
    large = draw_galaxies(7, [0, 1], side=128).images.reshape(2, 64, 2, 64, 2).mean(axis=(2, 4))
    large /= large.max(axis=(1, 2), keepdims=True)
    assert np.sqrt(np.mean((small.images - large) ** 2)) < 0.03  # of a peak of 1: radii agree to 3 % only


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UsageError, match="needs photographs"):
        draw_galaxies(0, [0], real_share=0.5)
    with pytest.raises(UsageError, match="do not fit"):
        draw_galaxies(0, [0], radii=(0.1, 0.9))
