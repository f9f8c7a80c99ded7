"""Masks and noise maps: found beside the image, in its file or elsewhere, with the same pixels as the image."""

import numpy as np
import pytest
from astropy.io import fits
from small_observations import noise, write_fits

from stronglens.observation import read_observation
from stronglens.parameters import RunError, StronglensError, UsageError

KNOWN = {"pixel_scale": 0.1, "unit": "e-", "exposure_time": 10.0, "zero_point": 25.72}


@pytest.fixture
def lens(tmp_path):
    (tmp_path / "lens").mkdir()
    return write_fits(tmp_path / "lens" / "data.fits", noise((40, 30)))


def corner():
    mask = np.zeros((40, 30))
    mask[:5, :3] = 1
    return mask


@pytest.mark.parametrize("kind", [float, bool, np.uint8, np.int64])
def test_a_mask_has_the_pixels_of_the_image_in_any_format(lens, tmp_path, kind):
    np.save(lens.with_name("mask.npy"), corner().astype(kind))
    write_fits(lens.with_name("mask.fits"), corner().astype(np.uint8))
    np.save(tmp_path / "lens" / "image.npy", fits.getdata(lens))
    expected = {"data.fits": np.flipud(corner()) != 0, "image.npy": corner() != 0}
    for image, its_mask in expected.items():
        for name in ("mask.npy", "mask.fits"):
            read = read_observation(lens.with_name(image), mask=name, **KNOWN)
            np.testing.assert_array_equal(read.mask, its_mask)
            np.testing.assert_array_equal(read.hidden, its_mask)


def test_the_file_beside_the_image_comes_first(lens, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_fits(tmp_path / "mask.fits", 1 - corner())
    assert read_observation(lens, mask="mask.fits", **KNOWN).mask.sum() == 40 * 30 - 15
    write_fits(lens.with_name("mask.fits"), corner())
    assert read_observation(lens, mask="mask.fits", **KNOWN).mask.sum() == 15
    assert read_observation(lens, mask=str(tmp_path / "mask.fits"), **KNOWN).mask.sum() == 40 * 30 - 15


def test_extensions_serve_as_mask_and_noise_map(tmp_path):
    extensions = [fits.ImageHDU(noise((40, 30)), name="SCI"), fits.ImageHDU(np.full((40, 30), 2.0), name="ERR")]
    dq = fits.ImageHDU(corner().astype(np.int16) * 16, name="DQ")
    fits.HDUList([fits.PrimaryHDU(), *extensions, dq]).writeto(tmp_path / "a.fits")
    read = read_observation(tmp_path / "a.fits", hdu="SCI", mask="DQ", noise_map="ERR", **KNOWN)
    assert read.mask.sum() == 15
    assert read.noise == pytest.approx(0.2)  # divided by 10 s, like the image
    write_fits(tmp_path / "b.fits", noise((40, 30)))
    assert read_observation(tmp_path / "b.fits", mask="a.fits[DQ]", **KNOWN).mask.sum() == 15
    for flag, given, says in (
        ("mask", "BAD", r"--mask=BAD: .* no such extension; it has 0 PRIMARY, 1 SCI"),
        ("noise_map", "a.fits[9]", r"--noise-map=9: .* no such extension"),
        ("noise_map", "a.fits", r"holds 3 images; choose one with --noise-map FILE\[EXTENSION\]"),
    ):
        with pytest.raises(StronglensError, match=says):
            read_observation(tmp_path / "a.fits", hdu="SCI", **{flag: given}, **KNOWN)


def test_a_missing_mask_or_noise_map_is_noted(lens):
    read = read_observation(lens, mask="mask.fits", noise_map="noise.fits", **KNOWN)
    assert read.mask is None
    assert read.noise is None
    assert read.notes[-2:] == (
        "there is no mask.fits beside it: nothing is masked",
        "there is no noise.fits beside it: its noise is not known",
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (np.zeros((30, 40)), "--mask lens/x.npy has 40 x 30 pixels, the image has 30 x 40"),
        (np.zeros((2, 2, 3)), "two dimensions"),
        (np.full((40, 30), "a"), "not real numbers"),
        (np.zeros((40, 30), complex), "not real numbers"),
    ],
)
def test_an_invalid_mask_is_refused(lens, content, says):
    np.save(lens.with_name("x.npy"), content)
    with pytest.raises(RunError, match=says):
        read_observation(lens, mask="x.npy", **KNOWN)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_noise_map_without_noise_is_refused(lens, value):
    write_fits(lens.with_name("noise.fits"), np.full((40, 30), value))
    with pytest.raises(RunError, match="has no value above zero"):
        read_observation(lens, noise_map="noise.fits", **KNOWN)


def test_a_missing_folder_is_an_error(lens, tmp_path):
    with pytest.raises(RunError, match="no such file"):
        read_observation(lens, mask=str(tmp_path / "nowhere" / "mask.fits"), **KNOWN)
    np.save(lens.with_name("image.npy"), noise((40, 30)))
    with pytest.raises(UsageError, match="no FITS file and has no extensions"):
        read_observation(lens.with_name("image.npy"), mask="DQ", **KNOWN)


def test_bad_pixels_are_those_without_a_value(lens):
    deviation = np.ones((40, 30))
    deviation[0, :4] = 1e8, 0, -1, np.nan
    image = noise((40, 30))
    image[1, 0] = np.inf
    write_fits(lens, image)
    write_fits(lens.with_name("noise.fits"), deviation)
    bad = read_observation(lens, noise_map="noise.fits", **KNOWN).bad
    assert np.argwhere(np.flipud(bad)).tolist() == [[0, 0], [0, 1], [0, 2], [0, 3], [1, 0]]


@pytest.mark.parametrize(
    ("arguments", "electrons"),
    [
        ({"unit": "e-", "exposure_time": 10.0}, 10.0),
        ({"unit": "e-/s", "exposure_time": 10.0}, 10.0),
        ({"unit": "e-/s"}, None),
        ({"unit": "adu/s", "gain": 3.0, "exposure_time": 10.0}, 10.0),  # counts are electrons then
        ({"unit": "adu/s", "gain": 3.0, "exposure_time": 10.0, "zero_point": 25.0}, 30.0),
        ({"unit": "adu/s", "exposure_time": 10.0, "zero_point": 25.0}, None),
        ({"zero_point": 25.0, "exposure_time": 10.0}, None),
    ],
)
def test_how_many_electrons_make_one_count_per_second(lens, arguments, electrons):
    assert read_observation(lens, pixel_scale=0.1, **arguments).electrons == electrons
