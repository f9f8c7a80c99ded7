"""Reading of telescope images: formats, calibration, refused files."""

import gzip
import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_observations import noise, write_fits

from stronglens.observation import prepare, read_observation
from stronglens.parameters import RunError, StronglensError, UsageError

KNOWN = {"pixel_scale": 0.1, "unit": "e-/s", "zero_point": 25.72}


# Formats


def test_fits_has_its_first_row_at_the_bottom(tmp_path):
    image = np.zeros((100, 100))
    image[0, 5] = 1
    observation = read_observation(write_fits(tmp_path / "a.fits", image), **KNOWN)
    assert observation.image[-1, 5] == 1
    assert observation.image.dtype == np.float64


def test_a_cube_of_one_plane_is_its_plane(tmp_path):
    image = noise()
    write_fits(tmp_path / "a.fits", image)
    write_fits(tmp_path / "cube.fits", image[None, None])
    plane, cube = (read_observation(tmp_path / name, **KNOWN).image for name in ("a.fits", "cube.fits"))
    np.testing.assert_array_equal(cube, plane)
    # It is not ignored beside a weight map either.
    fits.HDUList([fits.PrimaryHDU(image[None]), fits.ImageHDU(image, name="WHT")]).writeto(tmp_path / "two.fits")
    with pytest.raises(RunError, match="holds 2 images; choose one with --hdu"):
        read_observation(tmp_path / "two.fits", **KNOWN)


def test_the_camera_is_what_the_header_calls_it(tmp_path):
    header = {"TELESCOP": "HST", "INSTRUME": "ACS", "FILTER1": "CLEAR1L", "FILTER2": "F814W"}
    found = read_observation(write_fits(tmp_path / "a.fits", noise(), **header), **KNOWN).camera
    assert found == {"telescope": "HST", "instrument": "ACS", "filter": "CLEAR1L F814W"}
    assert read_observation(write_fits(tmp_path / "b.fits", noise()), **KNOWN).camera == {}


def test_npy_has_its_first_row_at_the_top(tmp_path):
    image = noise().astype(">f4")
    np.save(tmp_path / "a.npy", image)
    np.testing.assert_array_equal(read_observation(tmp_path / "a.npy", **KNOWN).image, image)
    for one_channel in (image[None], image[..., None]):
        np.save(tmp_path / "a.npy", one_channel)
        np.testing.assert_array_equal(read_observation(tmp_path / "a.npy", **KNOWN).image, image)


# Scaled and unsigned pixels. FITS standard 4.0, sections 4.4.2.5 and 5.2.5: value = BZERO + BSCALE * stored; an integer
# equal to BLANK has no value; unsigned integers are stored as signed ones with BZERO = 2^(bits - 1).

SCALED = {
    "signed 8": ("u1", {"BZERO": -128}),
    "unsigned 8": ("u1", {"BLANK": 0}),
    "unsigned 16": ("i2", {"BZERO": 2**15}),
    "unsigned 16, blank": ("i2", {"BZERO": 2**15, "BSCALE": 1, "BLANK": 3}),
    "scaled 16": ("i2", {"BZERO": 1e6, "BSCALE": 0.01, "BLANK": 3}),  # more than the 7 digits of single precision
    "blank 16": ("i2", {"BLANK": 3}),
    "unsigned 32": ("i4", {"BZERO": 2**31}),
    "scaled 32": ("i4", {"BSCALE": -0.5, "BLANK": 3}),
    "unsigned 64": ("i8", {"BZERO": 2**63}),
    "scaled float": ("f4", {"BZERO": 10.0, "BSCALE": 2.0}),
}


def write_stored(path, stored, header, extension):
    """Write stored integers, with scaling keywords that astropy must not apply."""
    hdu = fits.CompImageHDU(stored, quantize_level=0) if extension == "tiles" else fits.ImageHDU(stored)
    hdus = [fits.PrimaryHDU(stored)] if extension == "primary" else [fits.PrimaryHDU(), hdu]
    fits.HDUList(hdus).writeto(path)
    raw = {"do_not_scale_image_data": True, "disable_image_compression": True}
    with fits.open(path, mode="update", **raw) as hdus:
        hdus[-1].header.update(header)
    return path


@pytest.mark.parametrize("where", ["primary", "extension", "tiles"])
@pytest.mark.parametrize("kind", SCALED)
def test_scaled_pixels_are_read_as_physical_values(tmp_path, kind, where):
    number, header = SCALED[kind]
    if (number, where) == ("i8", "tiles"):
        pytest.skip("RICE has no 64 bits")
    stored = np.arange(100 * 100).reshape(100, 100) % 11
    values = header.get("BZERO", 0) + header.get("BSCALE", 1) * stored.astype(float)
    if "BLANK" in header:
        values[stored == header["BLANK"]] = np.nan
    path = write_stored(tmp_path / "a.fits", stored.astype(number), header, where)
    packed = tmp_path / ("a.fits.fz" if where == "tiles" else "a.fits.gz")
    packed.write_bytes(path.read_bytes() if where == "tiles" else gzip.compress(path.read_bytes()))
    for file in (path, packed):
        image = read_observation(file, **KNOWN).image
        np.testing.assert_allclose(image, np.flipud(values), rtol=1e-15)


def test_blank_pixels_are_bad_and_a_few_are_filled(tmp_path):
    stored = np.round(1000 + 100 * noise()).astype("i2")
    stored[50, 50] = -32768
    observation = read_observation(write_stored(tmp_path / "a.fits", stored, {"BLANK": -32768}, "primary"), **KNOWN)
    assert np.argwhere(observation.bad).tolist() == [[49, 50]]
    prepared = prepare(observation, shape=(64, 64), pixel_scale=0.1, zero_point=25.72)
    assert "1 of 4096 pixels inside the field is NaN" in " ".join(prepared.notes)
    assert prepared.image.min() > 0


@pytest.mark.parametrize("bits", [16, 32, 64])
@pytest.mark.parametrize("where", ["extension", "file"])
def test_an_unsigned_mask_is_read_without_losing_bits(tmp_path, bits, where):
    # JWST's DQ is uint32. In float64, 1 + 2^63 - 2^63 is 0.
    flags = np.zeros((100, 100), f"uint{bits}")
    flags[0, 1], flags[2, 3] = 1, 2 ** (bits - 1) + 1
    image, dq = fits.ImageHDU(noise(), name="SCI"), fits.ImageHDU(flags, name="DQ")
    fits.HDUList([fits.PrimaryHDU(), image, dq]).writeto(tmp_path / "a.fits")
    fits.PrimaryHDU(flags).writeto(tmp_path / "dq.fits")
    mask = "DQ" if where == "extension" else "dq.fits"
    mask = read_observation(tmp_path / "a.fits", hdu="SCI", mask=mask, **KNOWN).mask
    assert np.argwhere(mask).tolist() == [[97, 3], [99, 1]]


def test_a_scaled_noise_map_is_read(tmp_path):
    path = write_fits(tmp_path / "a.fits", noise())
    stored = np.full((100, 100), 200, "i2")
    stored[0, 0] = -1
    write_stored(tmp_path / "rms.fits", stored, {"BSCALE": 0.01, "BZERO": 1.0, "BLANK": -1}, "primary")
    observation = read_observation(path, noise_map="rms.fits", **KNOWN)
    assert observation.noise[0, 0] == pytest.approx(3.0)
    assert np.argwhere(observation.bad).tolist() == [[99, 0]]


@pytest.mark.parametrize("header", [{"BSCALE": 0}, {"BZERO": "abc"}])
def test_a_damaged_scaling_is_one_line(tmp_path, header):
    path = write_stored(tmp_path / "a.fits", np.ones((100, 100), "i2"), header, "primary")
    with pytest.raises(RunError, match="not a readable FITS file"):
        read_observation(path, **KNOWN)


def test_one_extension_of_a_large_file_is_read_alone(tmp_path):
    hdus = [fits.PrimaryHDU()] + [fits.ImageHDU(np.ones((2000, 2000)), name=f"B{k}") for k in range(4)]
    hdus += [fits.ImageHDU(noise(), name="SCI")]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")  # 128 MB
    read_observation(tmp_path / "a.fits", hdu="SCI", **KNOWN)
    tracemalloc.start()
    read_observation(tmp_path / "a.fits", hdu="SCI", **KNOWN)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


# Pixel scale, unit, zero point


@pytest.mark.parametrize(
    "header",
    [
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -0.05 / 3600, "CDELT2": 0.05 / 3600},
        # Rotated by 30 degrees; CDELT = 1 beside a CD matrix is ignored, as in Euclid's files.
        {
            **{"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": 1.0, "CDELT2": 1.0},
            **{"CD1_1": -0.05 / 3600 * np.cos(0.5), "CD1_2": 0.05 / 3600 * np.sin(0.5)},
            **{"CD2_1": 0.05 / 3600 * np.sin(0.5), "CD2_2": 0.05 / 3600 * np.cos(0.5)},
        },
        {"CUNIT1": "arcsec", "CUNIT2": "arcsec", "CDELT1": 0.05, "CDELT2": 0.05},
        {"PIXSCALE": 0.05},
        {"PIXSCAX": 0.05, "PIXSCAY": 0.05, "CDELT1": 1.0, "CDELT2": 1.0},
    ],
)
def test_the_pixel_scale_is_found_in_the_header(tmp_path, header):
    path = write_fits(tmp_path / "a.fits", noise(), **header)
    assert read_observation(path, unit="e-/s").pixel_scale == pytest.approx(0.05, rel=1e-9)


def test_cdelt_of_an_axis_that_is_not_on_the_sky_is_no_pixel_scale(tmp_path):
    path = write_fits(tmp_path / "a.fits", noise(), CDELT1=1.0, CDELT2=1.0)
    assert read_observation(path, unit="e-/s").pixel_scale is None


def test_a_given_pixel_scale_wins_and_a_disagreement_is_noted(tmp_path):
    path = write_fits(tmp_path / "a.fits", noise(), PIXSCALE=0.1)
    observation = read_observation(path, unit="e-/s", pixel_scale=0.2)
    assert observation.pixel_scale == 0.2
    assert "--pixel-scale=0.2" in observation.notes[0]
    assert "0.1" in observation.notes[0]
    assert not read_observation(path, unit="e-/s", pixel_scale=0.102).notes  # 2 %: rounding in a paper


@pytest.mark.parametrize(
    ("header", "arguments", "factor", "zero_point"),
    [
        ({}, {"unit": "e-/s"}, 1, None),
        ({}, {"zero_point": 24.6}, 1, 24.6),
        ({"MAGZERO": 24.6}, {}, 1, 24.6),
        ({"MAGZERO": 24.6}, {"zero_point": 25.0}, 1, 25.0),
        ({"BUNIT": "ELECTRONS/S"}, {}, 1, None),
        ({"BUNIT": "electron s-1"}, {}, 1, None),
        ({"BUNIT": "e-/sec"}, {}, 1, None),
        ({"BUNIT": "ELECTRONS", "EXPTIME": 500.0}, {}, 1 / 500, None),
        ({"BUNIT": "ELECTRONS", "EXPTIME": 500.0}, {"exposure_time": 100.0}, 1 / 100, None),
        ({"BUNIT": "adu", "EXPTIME": 500.0}, {"gain": 2.0}, 2 / 500, None),
        ({"BUNIT": "COUNTS/S"}, {"gain": 2.0}, 2, None),
        ({"BUNIT": "DN/s"}, {"zero_point": 26.0}, 1, 26.0),
        # A header's zero point is that of the stored pixels, for instance of a coadd.
        ({"BUNIT": "adu", "MAGZERO": 30.0, "EXPTIME": 90.0}, {}, 1, 30.0),
        ({"BUNIT": "nJy"}, {}, 1, 31.4),
        ({"BUNIT": "who knows"}, {"zero_point": 26.0}, 1, 26.0),
        ({"BUNIT": "who knows"}, {"unit": "e-/s"}, 1, None),
        # HST's STMAG constant is not a zero point of counts.
        ({"BUNIT": "ELECTRONS/S", "PHOTZPT": -21.1}, {}, 1, None),
    ],
)
def test_units_and_zero_points(tmp_path, header, arguments, factor, zero_point):
    path = write_fits(tmp_path / "a.fits", noise(), **header)
    observation = read_observation(path, pixel_scale=0.1, **arguments)
    np.testing.assert_allclose(observation.image, np.flipud(noise()) * factor)
    assert observation.zero_point == (None if zero_point is None else pytest.approx(zero_point))


@pytest.mark.parametrize(
    ("header", "arguments", "electrons"),
    [
        ({"BUNIT": "electron/s", "EXPTIME": 2000.0}, {}, 2000),
        ({"BUNIT": "adu/s", "EXPTIME": 2000.0, "GAIN": 2.0}, {}, 4000),
        ({"BUNIT": "adu", "EXPTIME": 2000.0, "GAIN": 2.0}, {}, 2),
        ({"BUNIT": "electron"}, {}, 1),
        ({"BUNIT": "electron/s"}, {"exposure_time": 100.0}, 100),
        ({"BUNIT": "electron/s"}, {}, None),
        ({"BUNIT": "adu/s", "EXPTIME": 2000.0}, {}, None),
        ({"EXPTIME": 2000.0}, {}, None),  # the unit is unknown
    ],
)
def test_electrons_per_unit_follow_from_header_or_user(tmp_path, header, arguments, electrons):
    path = write_fits(tmp_path / "a.fits", noise(), MAGZERO=25.9, **header)
    assert read_observation(path, pixel_scale=0.1, **arguments).electrons == electrons


def test_photflam_gives_the_published_zero_point_of_acs(tmp_path):
    # ACS F814W after the repair of 2009: PHOTFLAM 7.07e-20, PHOTPLAM 8045 A; AB zero point 25.94-25.95.
    header = {"BUNIT": "ELECTRONS/S", "PHOTFLAM": 7.07e-20, "PHOTPLAM": 8045.0}
    observation = read_observation(write_fits(tmp_path / "a.fits", noise(), **header))
    assert observation.zero_point == pytest.approx(25.945, abs=0.02)


def test_mega_and_milli_jansky_are_told_apart(tmp_path):
    mega = read_observation(write_fits(tmp_path / "a.fits", noise(), BUNIT="MJy/sr", PIXSCALE=0.03))
    milli = read_observation(write_fits(tmp_path / "a.fits", noise(), BUNIT="mJy/sr", PIXSCALE=0.03))
    assert milli.zero_point - mega.zero_point == pytest.approx(22.5)  # 2.5 log10(1e9)
    # JWST's own value: PIXAR_SR of a 0.03 arcsec pixel is 2.115e-14 sr, ZP = 28.09.
    assert mega.zero_point == pytest.approx(28.087, abs=2e-3)


def test_an_extension_is_chosen_by_name_number_or_version(tmp_path):
    images = [fits.ImageHDU(noise(seed=seed), name="SCI", ver=seed) for seed in (1, 2)]
    fits.HDUList([fits.PrimaryHDU(), *images, fits.ImageHDU(noise(seed=3), name="ERR")]).writeto(tmp_path / "a.fits")
    for hdu, seed in (("err", 3), (3, 3), ("3", 3), ("SCI,2", 2), ("SCI", 1)):
        read = read_observation(tmp_path / "a.fits", hdu=hdu, **KNOWN)
        np.testing.assert_array_equal(read.image, np.flipud(noise(seed=seed)))
    assert "[ERR]" in read_observation(tmp_path / "a.fits", hdu=3, **KNOWN).name
    with pytest.raises(RunError, match=r"3 images; choose one with --hdu: 1 SCI, 2 SCI, 3 ERR"):
        read_observation(tmp_path / "a.fits", **KNOWN)
    with pytest.raises(UsageError, match=r"no such extension; it has 0 PRIMARY, 1 SCI"):
        read_observation(tmp_path / "a.fits", hdu="VIS", **KNOWN)


def test_exposure_time_of_the_primary_header_serves_its_extensions(tmp_path):
    primary = fits.PrimaryHDU()
    primary.header["EXPTIME"] = 200.0
    science = fits.ImageHDU(noise(), name="SCI")
    science.header["BUNIT"] = "ELECTRONS"
    fits.HDUList([primary, science]).writeto(tmp_path / "a.fits")
    observation = read_observation(tmp_path / "a.fits")
    np.testing.assert_allclose(observation.image, np.flipud(noise()) / 200)


@pytest.mark.parametrize("ending", [".fits.gz", ".fit", ".FITS"])
def test_compressed_and_oddly_named_files_are_read(tmp_path, ending):
    path = write_fits(tmp_path / f"a{ending}", noise())
    np.testing.assert_array_equal(read_observation(path, **KNOWN).image, np.flipud(noise()))


def test_a_tile_compressed_image_is_read(tmp_path):
    image = np.arange(10000, dtype=np.int32).reshape(100, 100)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(image)]).writeto(tmp_path / "a.fits.fz")
    np.testing.assert_array_equal(read_observation(tmp_path / "a.fits.fz", **KNOWN).image, np.flipud(image))


def test_a_pickled_image_of_a_dataset_is_read(tmp_path):
    image = noise().astype(np.float32)
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(image))
    np.testing.assert_array_equal(read_observation(tmp_path / "a.pickle", **KNOWN).image, image)


def test_a_hostile_pickle_is_refused(tmp_path):
    (tmp_path / "a.pickle").write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "mark").encode() + b"'\ntR.")
    with pytest.raises(RunError):
        read_observation(tmp_path / "a.pickle", **KNOWN)
    assert not (tmp_path / "mark").exists()


# Refused files


@pytest.mark.parametrize(
    ("header", "arguments", "says"),
    [
        ({}, {}, "--unit or --zero-point"),
        ({"BUNIT": "who knows"}, {}, "'who knows', is not understood; give --unit or --zero-point"),
        ({"BUNIT": "ELECTRONS"}, {}, "--exposure-time"),
        ({"BUNIT": "ADU/S"}, {}, "--zero-point or --gain"),
        ({"BUNIT": "MJy/sr"}, {}, "--pixel-scale"),
        ({"CDELT1": 1e-5, "CDELT2": 2e-5, "CUNIT1": "deg", "CUNIT2": "deg"}, {"unit": "e-/s"}, "not square"),
    ],
)
def test_missing_calibration_is_asked_for(tmp_path, header, arguments, says):
    path = write_fits(tmp_path / "a.fits", noise(), **header)
    with pytest.raises(RunError, match=says):
        read_observation(path, **arguments)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((3, 70, 70)), "two dimensions"),
        (np.zeros((70, 70, 3), dtype=np.uint8), "colour picture"),
        (np.zeros(70), "two dimensions"),
        (np.float64(3), "two dimensions"),
        (np.zeros((70, 0)), "empty"),
        (np.zeros((70, 70), dtype=complex), "not real numbers"),
        (np.zeros((70, 70), dtype=bool), "not real numbers"),
        (np.full((70, 70), "a"), "not real numbers"),
        (np.zeros((70, 70), dtype=[("a", float)]), "not real numbers"),
        (np.full((70, 70), {}), "a.npy"),
    ],
)
def test_arrays_that_are_not_images_are_refused(tmp_path, image, says):
    np.save(tmp_path / "a.npy", image, allow_pickle=True)
    with pytest.raises(RunError, match=says):
        read_observation(tmp_path / "a.npy", **KNOWN)


def test_files_that_are_not_images_are_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "renamed.fits").write_bytes(b"\xff\xd8\xff\xe0" * 1000)
    (tmp_path / "empty.fits").write_bytes(b"")
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])])]).writeto(
        tmp_path / "table.fits"
    )
    for name, says in {
        "a.jpg": "give .fits, .npy or .pickle",
        "renamed.fits": "not a readable FITS",
        "empty.fits": "not a readable FITS",
        "table.fits": "contains no image",
        "absent.fits": "no such file",
        ".": "is a folder",
    }.items():
        with pytest.raises(RunError, match=says):
            read_observation(tmp_path / name, **KNOWN)


def test_a_header_that_promises_too_much_is_refused_without_reading(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (900000, 900000), }"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n")
    with pytest.raises(RunError):
        read_observation(tmp_path / "a.npy", **KNOWN)
    cards = ["SIMPLE  =                    T", "BITPIX  =                  -64", "NAXIS   =                    2"]
    cards += ["NAXIS1  =               900000", "NAXIS2  =               900000", "END"]
    (tmp_path / "a.fits").write_bytes("".join(card.ljust(80) for card in cards).ljust(2880).encode() + b"\0" * 2880)
    with pytest.raises(RunError, match="too many"):
        read_observation(tmp_path / "a.fits", **KNOWN)


def test_wrong_arguments_are_usage_errors(tmp_path):
    path = write_fits(tmp_path / "a.fits", noise())
    for arguments in ({"pixel_scale": 0.0}, {"exposure_time": -1.0}, {"gain": np.nan}, {"zero_point": np.inf}):
        with pytest.raises(UsageError, match="--"):
            read_observation(path, **arguments)
    with pytest.raises(UsageError, match="--unit"):
        read_observation(path, unit="furlong")


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_refused_in_one_line_or_read(tmp_path, data):
    kind = data.draw(st.sampled_from(["fits", "npy"]))
    path = tmp_path / f"a.{kind}"
    if kind == "fits":
        write_fits(path, noise((20, 20)).astype(">f4"), BUNIT="adu", EXPTIME=10.0, GAIN=2.0, PIXSCALE=0.1, MAGZERO=25.0)
    else:
        np.save(path, noise((20, 20)))
    content = bytearray(path.read_bytes())
    # Most damage is in the header, where it has effects.
    size = 1200 if kind == "fits" else 140
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, size), st.integers(0, 255)), max_size=8)):
        content[place] = byte
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    message = ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            observation = read_observation(path, pixel_scale=0.1, unit="e-/s")
            prepare(observation, shape=(8, 8), pixel_scale=0.13, zero_point=25.0)
        except StronglensError as error:
            message = str(error)
    assert "\n" not in message


@given(content=st.binary(max_size=300), ending=st.sampled_from([".fits", ".npy", ".fits.gz"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_foreign_files_are_refused(tmp_path, content, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    with pytest.raises(RunError):
        read_observation(path, **KNOWN)
