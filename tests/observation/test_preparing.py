"""Telescope images as input of a network: flux, refused images, noise."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from small_observations import EUCLID, galaxy, noise, observe

from stronglens.observation import prepare, read_observation
from stronglens.parameters import RunError

real = pytest.mark.skipif("STRONGLENS_DATA" not in os.environ, reason="STRONGLENS_DATA does not name real data")


def centroid(image, pixel_scale):
    """Return the centroid (x, y) of the light in arcsec from the centre, y up."""
    height, width = image.shape
    x = (np.arange(width) - (width - 1) / 2) * pixel_scale
    y = -(np.arange(height) - (height - 1) / 2) * pixel_scale
    return float((image.sum(axis=0) * x).sum() / image.sum()), float((image.sum(axis=1) * y).sum() / image.sum())


# Input of the network


def test_a_cut_out_at_the_same_scale_is_the_same_pixels():
    image = noise((100, 90))
    found = prepare(observe(image), **EUCLID)
    prepared, notes = found.image, found.notes
    np.testing.assert_array_equal(prepared, image[18:82, 13:77].astype(np.float32))
    assert prepared.dtype == np.float32
    assert [note.split(":")[0] for note in notes] == ["noise estimated from the image"]


def test_an_odd_image_is_cut_at_whole_pixels_with_a_note():
    image = noise((101, 101))
    found = prepare(observe(image), **EUCLID)
    prepared, notes = found.image, found.notes
    np.testing.assert_array_equal(prepared, image[18:82, 18:82].astype(np.float32))
    # Pixel 50 is the centre; the cut-out's centre is the corner at its upper left.
    assert "-0.050 arcsec in x and +0.050 in y" in notes[0]


@given(
    scale=st.floats(0.02, 0.35),
    wanted=st.tuples(st.integers(4, 40), st.integers(4, 40)),
    extra=st.tuples(st.integers(2, 12), st.integers(2, 12)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=100, deadline=None)
def test_flux_is_conserved_to_rounding(scale, wanted, extra, seed):
    """All light well inside the field is conserved, for any two pixel scales."""
    field = [count * 0.1 / scale for count in wanted]
    shape = [int(np.ceil(length)) + more for length, more in zip(field, extra, strict=True)]
    rows, columns = np.indices(shape)
    inside = (np.abs(rows - (shape[0] - 1) / 2) < field[0] / 2 - 1) & (
        np.abs(columns - (shape[1] - 1) / 2) < field[1] / 2 - 1
    )
    image = np.random.default_rng(seed).uniform(1, 2, shape) * inside
    if not inside.any():
        return
    prepared = prepare(observe(image, scale), shape=wanted, pixel_scale=0.1, zero_point=25.72).image
    assert prepared.sum(dtype=np.float64) == pytest.approx(image.sum(), rel=1e-6)  # single precision


@given(
    scale=st.floats(0.02, 0.3),
    x=st.floats(-2.2, 2.2),
    y=st.floats(-2.2, 2.2),
    centre=st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4)),
)
@settings(max_examples=40, deadline=None)
def test_a_source_stays_where_it_is_on_the_sky(scale, x, y, centre):
    size = int(np.ceil(8.0 / scale)) + 1
    row, column = round((size - 1) / 2 - y / scale), round((size - 1) / 2 + x / scale)
    image = np.zeros((size, size))
    image[row, column] = 1
    x, y = centroid(image, scale)
    prepared = prepare(observe(image, scale), **EUCLID, centre=centre).image
    # The centroid assumes that the light of a pixel is at its centre: half a pixel off at most.
    found_x, found_y = centroid(prepared.astype(np.float64), 0.1)
    assert abs(found_x + centre[1] - x) <= 0.051
    assert abs(found_y + centre[0] - y) <= 0.051
    assert prepared.sum() == pytest.approx(1, abs=1e-5)


def test_rebinning_by_a_whole_number_sums_pixels():
    image = noise((128, 128))
    prepared = prepare(observe(image, 0.05), **EUCLID).image
    np.testing.assert_allclose(prepared, image.reshape(64, 2, 64, 2).sum(axis=(1, 3)), atol=1e-6)


def test_the_zero_point_scales_the_counts():
    image = noise()
    found = prepare(observe(image, zero_point=24.6), **EUCLID)
    prepared, notes = found.image, found.notes
    # A magnitude is the same before and after: 10^(0.4 * 1.12) = 2.805.
    np.testing.assert_allclose(prepared, image[18:82, 18:82] * 2.805, rtol=2e-4)
    assert any("2.805" in note for note in notes)


def test_an_unknown_zero_point_is_noted():
    notes = prepare(observe(noise(), zero_point=None), **EUCLID).notes
    assert "zero point unknown" in notes[0]


def test_pixels_coarser_than_the_networks_are_noted():
    notes = prepare(observe(noise(), 0.2), **EUCLID).notes
    assert any("coarser" in note for note in notes)


@pytest.mark.parametrize(
    ("image", "pixel_scale", "says"),
    [
        (noise((50, 50)), 0.1, r"it has 5 x 5 arcsec \(50 x 50 pixels of 0.1\), the network needs 6.4 x 6.4"),
        (noise((100, 60)), 0.1, "field is too small"),
        (noise(), None, "give --pixel-scale"),
        (np.full((100, 100), 3.5), 0.1, "every pixel inside the field has the value 3.5"),
        (noise((4, 100, 100)), 0.1, "two dimensions"),
        (np.zeros((0, 100)), 0.1, "empty"),
        (noise() * 1e300, 0.1, "single precision"),
    ],
)
def test_what_cannot_be_measured_is_refused(image, pixel_scale, says):
    with pytest.raises(RunError, match=says):
        prepare(observe(image, pixel_scale), **EUCLID)


def test_a_field_beyond_the_image_is_refused():
    with pytest.raises(RunError, match=r"about \(x, y\) = \(3, 0\)"):
        prepare(observe(noise()), **EUCLID, centre=(0.0, 3.0))


@pytest.mark.parametrize("pixel_scale", [0.1, 0.07])
def test_nan_matters_inside_the_field_only(pixel_scale):
    image = noise((140, 140))
    image[0, :] = np.nan
    image[:, 0] = np.inf
    prepared = prepare(observe(image, pixel_scale), **EUCLID).image
    assert np.isfinite(prepared).all()
    image[70, 70:73] = np.nan
    with pytest.raises(RunError, match=r"3 of \d+ pixels inside the field are NaN or infinite"):
        prepare(observe(image, pixel_scale), **EUCLID, bad_pixels="refuse")
    found = prepare(observe(image, pixel_scale), **EUCLID)
    assert np.isfinite(found.image).all()
    assert 3 * (pixel_scale / 0.1) ** 2 <= np.count_nonzero(found.mask) <= 8  # and pixels that overlap them
    assert any(re.match(r"3 of \d+ pixels inside the field are NaN or infinite: filled", note) for note in found.notes)


def test_many_bad_pixels_are_refused():
    image = noise()
    image[18:22, 18:82] = np.nan  # 4 of 64 rows: 6 %
    with pytest.raises(RunError, match=r"256 of 4096 pixels .* NaN or infinite; at most 5% are filled"):
        prepare(observe(image), **EUCLID)
    with pytest.raises(RunError, match="4096 of 4096"):
        prepare(observe(np.full((100, 100), np.nan)), **EUCLID)


def test_an_inverted_mask_is_noticed():
    mask = np.ones((100, 100), bool)
    mask[30:70, 30:70] = False
    with pytest.raises(RunError, match=r"hides 61% of the field.*the other way round"):
        prepare(observe(noise(), mask=mask), **EUCLID)
    with pytest.raises(RunError, match="hides 100% of the field"):
        prepare(observe(noise(), mask=np.ones((100, 100), bool)), **EUCLID)


def test_pixels_of_huge_noise_are_bad():
    image, deviation = noise(), np.ones((100, 100))
    for row, value in ((50, 1e8), (52, 0.0), (54, -1.0), (56, np.nan), (58, np.inf)):
        deviation[row, 40] = value
        image[row, 40] = 1e4
    found = prepare(observe(image, noise=deviation), **EUCLID)
    assert np.count_nonzero(found.mask) == 5
    assert found.image.max() < 6  # none of 4,096 Gaussian pixels is as bright
    assert found.noise == pytest.approx(1.0)
    assert "5 of 4096 pixels inside the field are marked as bad by the noise map" in found.notes[0]


# Noise


def test_a_noise_map_is_resampled_as_the_image_is():
    """The scatter of resampled noise drawn from the map is that of the resampled map."""
    rng = np.random.default_rng(0)
    deviation = np.linspace(1, 3, 60)[:, None] * np.ones((60, 60))
    network = {"shape": (8, 8), "pixel_scale": 0.1, "zero_point": 25.0}
    images = (deviation * rng.normal(size=(60, 60)) for _ in range(300))
    drawn = [prepare(observe(image, 0.07, 24.0), **network) for image in images]
    told = prepare(observe(noise((60, 60)), 0.07, 24.0, noise=deviation), **network)
    scatter = np.std([one.image for one in drawn], axis=0)
    assert np.median(scatter / told.noise) == pytest.approx(1, abs=0.02)  # 300 draws: 4 % per pixel, 0.6 % for 64


@pytest.mark.parametrize(("scale", "smoothing"), [(0.1, 0), (0.05, 0), (0.05, 0.5)])
def test_unknown_noise_is_measured_beside_a_galaxy(scale, smoothing):
    """The noise is that of a pixel of 0.1 arcsec, also if the file has correlated pixels of half that size."""
    image = gaussian_filter(noise((400, 400)), smoothing)
    expected = np.std(image.reshape(400 // 2, 2, 200, 2).sum(axis=(1, 3))) if scale == 0.05 else np.std(image)
    found = prepare(observe(image + galaxy((400, 400), size=8.0), scale), **EUCLID)
    assert found.background_noise == pytest.approx(expected, rel=0.1)
    assert found.noise == pytest.approx(found.background_noise)
    assert any("noise estimated from the image" in note for note in found.notes)


def test_photons_add_to_the_noise_where_their_number_is_known():
    light = galaxy(peak=400.0)
    found = prepare(observe(light + noise(), electrons=10.0, zero_point=24.72), **EUCLID)
    factor = 10**0.4  # one magnitude: an e-/s of the file is 2.5 of the network's telescope
    bright = light[18:82, 18:82] > 100
    expected = factor * np.sqrt(1 + light[18:82, 18:82] / 10)
    assert found.noise[bright] / expected[bright] == pytest.approx(1, abs=0.1)  # the light itself is noisy


def test_a_variance_for_a_noise_map_is_noticed():
    image = 0.01 * noise()
    found = prepare(observe(image, noise=np.full((100, 100), 1e-4)), **EUCLID)
    (ratio,) = [float(note.split()[4]) for note in found.notes if "times the scatter of its pixels" in note]
    assert ratio == pytest.approx(0.01, rel=0.1)
    found = prepare(observe(image, noise=np.full((100, 100), 0.01)), **EUCLID)
    assert not any("times the scatter" in note for note in found.notes)


def test_an_image_without_noise_has_a_positive_noise_all_the_same():
    found = prepare(observe(np.pad(np.ones((10, 10)), 45)), **EUCLID)
    assert (found.noise > 0).all()
    assert any("no noise can be seen" in note for note in found.notes)


# Real images


@real
def test_a_euclid_cut_out_is_measured_in_electrons():
    path = Path(os.environ["STRONGLENS_DATA"], "real_lenses", "euclid_q1_102018665", "data.fits")
    with pytest.raises(RunError, match="VIS_BGSUB"):
        read_observation(path)
    observation = read_observation(path, hdu="VIS_BGSUB")
    assert observation.pixel_scale == pytest.approx(0.1, rel=1e-6)
    assert observation.zero_point == 24.6
    prepared = prepare(observation, **EUCLID).image
    rms = fits.getdata(path, "VIS_RMS")
    # The sky of Euclid VIS, 2264 s: sqrt((0.22 * 2264 + 4 * 4.2^2)) / 2264 = 0.0105 e-/s; the file agrees within 20 %.
    scatter = 1.4826 * np.median(np.abs(prepared - np.median(prepared)))
    assert scatter == pytest.approx(2.805 * np.median(rms), rel=0.3)
    assert scatter == pytest.approx(0.0105, rel=0.3)


@real
def test_a_slacs_image_without_any_header_needs_three_flags():
    path = Path(os.environ["STRONGLENS_DATA"], "real_lenses", "slacs_j0946+1006", "data.fits")
    with pytest.raises(RunError, match="--unit"):
        read_observation(path)
    observation = read_observation(path, pixel_scale=0.05, unit="e-/s", zero_point=25.94)
    prepared = prepare(observation, **EUCLID).image
    # The same flux, in e-/s of a telescope whose zero point is 0.22 mag smaller.
    inside = observation.image[77:205, 77:205].sum() * 10 ** (-0.4 * 0.22)
    assert prepared.sum() == pytest.approx(inside, rel=0.01)
    x, y = centroid(np.where(prepared > 5, prepared, 0), 0.1)
    assert abs(x) < 0.1
    assert abs(y) < 0.1


@real
def test_neighbours_of_a_slacs_lens_are_masked():
    folder = Path(os.environ["STRONGLENS_DATA"], "real_lenses", "slacs_j0946+1006")
    calibration = {"pixel_scale": 0.05, "unit": "e-/s", "zero_point": 25.94, "noise_map": "noise_map.fits"}
    masked = read_observation(folder / "data.fits", mask="mask_extra_galaxies.fits", **calibration)
    plain = read_observation(folder / "data.fits", **calibration)
    assert masked.mask.sum() == 10230  # the number of ones in the file, which masks neighbours and not the lens
    after, before = prepare(masked, **EUCLID), prepare(plain, **EUCLID)
    np.testing.assert_array_equal(after.image[~after.mask], before.image[~after.mask])
    # The second ring, 2.2 arcsec from the lens, is removed: the lens light remains, as beside the mask.
    rows, columns = np.indices((64, 64))
    ring = np.abs(np.hypot(rows - 31.5, columns - 31.5) - 22) < 2
    level = np.median(before.image[ring & ~after.mask])
    brightest = [np.percentile(one.image[ring & after.mask], 90) - level for one in (before, after)]
    assert brightest[1] < 0.6 * brightest[0]
