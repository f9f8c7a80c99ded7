"""The images that --predict names: files, folders, lists, cubes."""

import numpy as np
import pytest
import zarr
from astropy.io import fits
from small_observations import noise

from stronglens.measuring.images import ImageFile, list_images
from stronglens.observation import read_observation
from stronglens.parameters import RunError, UsageError

KNOWN = {"pixel_scale": 0.1, "unit": "e-/s", "zero_point": 25.72}


@pytest.fixture
def cube():
    return np.stack([noise((24, 20), seed) for seed in range(5)])


def write_zarr(path, array, version=3):
    zarr.create_array(path, data=array, zarr_format=version)
    return path


def test_files_folders_and_lists(tmp_path):
    for name in ("b.fits", "a.npy", "c.txt", ".hidden.fits", "note.md"):
        (tmp_path / name).write_bytes(b"")
    listed = tmp_path / "c.txt"
    listed.write_text(f"# images of a survey\n\n{tmp_path / 'b.fits'}\n")
    images = list_images([str(tmp_path), str(listed), "x.fits", "x.fits"])
    assert [image.path for image in images] == [str(tmp_path / "a.npy"), str(tmp_path / "b.fits"), "x.fits"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"contains no images; files end in \.fits"):
        list_images([str(tmp_path / "empty")])
    listed.write_text("# nothing\n")
    with pytest.raises(RunError, match="a list without files"):
        list_images([str(listed)])


@pytest.mark.parametrize("kind", ["a.fits", "a.fits.gz", "a.fits.fz", "a.npy", "a.zarr"])
def test_every_plane_of_a_cube_is_an_image(tmp_path, cube, kind):
    path = tmp_path / kind
    if kind == "a.npy":
        np.save(path, cube)
    elif kind == "a.zarr":
        write_zarr(path, cube)
    elif kind == "a.fits.fz":
        tiles = fits.CompImageHDU(cube, compression_type="GZIP_1", quantize_level=0)  # without loss
        fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(path)
    else:
        fits.PrimaryHDU(cube).writeto(path)
    images = list_images([str(path)], "all")
    assert images == [ImageFile(str(path), plane) for plane in range(5)]
    for image in images:
        found = read_observation(image.path, plane=image.plane, **KNOWN).image
        expected = np.flipud(cube[image.plane]) if "fits" in kind else cube[image.plane]
        np.testing.assert_array_equal(found, expected)
    assert list_images([str(path)], "3") == [ImageFile(str(path), 3)]
    with pytest.raises(RunError, match=r"has no plane 7|has no plane 7; its 5 planes are counted from 0"):
        read_observation(path, plane=7, **KNOWN)


def test_an_array_of_zarr_is_always_a_cube(tmp_path, cube):
    for version in (2, 3):
        path = write_zarr(tmp_path / f"{version}", cube, version)
        assert len(list_images([str(path)])) == 5
    group = zarr.open_group(tmp_path / "group.zarr", mode="w")
    group.create_array("images", data=cube)
    assert len(list_images([str(tmp_path / "group.zarr")])) == 5
    group.create_array("weights", data=cube)
    (image,) = list_images([str(tmp_path / "group.zarr")])
    with pytest.raises(RunError, match=r"contains 2 arrays \(images, weights\)"):
        read_observation(image.path, plane=image.plane, **KNOWN)


def test_scaled_integers_of_a_cube_are_read(tmp_path, cube):
    # FITS standard 4.0, section 4.4.2.5: unsigned integers are stored as signed ones with BZERO = 2^15.
    counts = np.round(1000 + 100 * cube).astype(np.uint16)
    fits.PrimaryHDU(counts).writeto(tmp_path / "a.fits")
    found = read_observation(tmp_path / "a.fits", plane=2, **KNOWN).image
    np.testing.assert_array_equal(found, np.flipud(counts[2]))


def test_a_cube_is_reported_as_planes_not_as_a_colour_picture(tmp_path, cube):
    fits.PrimaryHDU(cube[:3]).writeto(tmp_path / "a.fits")
    with pytest.raises(RunError, match="cube of 3 planes of 20 x 24 pixels; choose one with --planes=0 to 2") as caught:
        read_observation(tmp_path / "a.fits", **KNOWN)
    assert "colour" not in str(caught.value)
    np.save(tmp_path / "a.npy", np.zeros((24, 20, 3), np.uint8))
    with pytest.raises(RunError, match="colour picture"):
        read_observation(tmp_path / "a.npy", **KNOWN)
    fits.PrimaryHDU(cube[0]).writeto(tmp_path / "flat.fits")
    with pytest.raises(RunError, match="is one image, not a cube of planes: leave --planes out"):
        read_observation(tmp_path / "flat.fits", plane=0, **KNOWN)
    with pytest.raises(UsageError, match="--planes must be all or a number"):
        list_images([str(tmp_path / "a.fits")], "first")


def test_masks_and_noise_maps_of_a_cube(tmp_path, cube):
    one_mask = np.zeros((24, 20), np.uint8)
    one_mask[0, 0] = 1
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(cube, name="SCI"), fits.ImageHDU(1 + cube**2, name="RMS")]
    fits.HDUList([*hdus, fits.ImageHDU(one_mask, name="MASK")]).writeto(tmp_path / "a.fits")
    found = read_observation(tmp_path / "a.fits", hdu="SCI", plane=4, noise_map="RMS", mask="MASK", **KNOWN)
    np.testing.assert_array_equal(found.noise, np.flipud(1 + cube[4] ** 2))
    assert np.argwhere(found.mask).tolist() == [[23, 0]]
