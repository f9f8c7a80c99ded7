import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from stronglens.observation.deep_field import read_deep_field
from stronglens.observation.galaxies import clean, half_light, isolate, pixel_checksum
from stronglens.observation.source_images import read_source_images
from stronglens.parameters import RunError


def disk(shape=(64, 70), place=(33, 36), radius=5.0, peak=1.0):
    """Return an exponential disk, half of whose light lies within ``radius`` pixels."""
    away = np.hypot(*(np.indices(shape) - np.array(place)[:, None, None]))
    return peak * np.exp(-1.678347 * away / radius)


def stamp(seed=0, **more):
    image = disk(**more)
    return (5 + image + np.random.default_rng(seed).normal(0, 0.004, image.shape)).astype(np.float32)


def test_a_photographed_galaxy_is_cut_out_of_its_noise():
    y, x = np.mgrid[:80, :90]
    neighbour = 0.3 * np.exp(-0.5 * np.hypot(y - 70, x - 80) ** 2)
    noise = np.random.default_rng(0).normal(0, 0.002, (80, 90))
    found = clean(5 + disk((80, 90), (42, 40), 6) + neighbour + noise)
    np.testing.assert_allclose(found.centre, [42, 40], atol=0.2)
    assert found.radius == pytest.approx(6, rel=0.1)  # a little is lost in the noise, a little to the smoothing
    assert found.light.sum() == pytest.approx(1)
    assert not found.light[65:, 72:].any()


def test_a_galaxy_is_parted_from_a_neighbour_that_touches_it():
    image = disk((90, 100), (42, 40), 6) + disk((90, 100), (58, 62), 3, peak=1.5)
    found = isolate(image + np.random.default_rng(0).normal(0, 0.002, image.shape))
    np.testing.assert_allclose(found.centre, [42, 40], atol=0.7)
    assert found.radius == pytest.approx(6, rel=0.15)  # what lies opposite stands in for the hidden part
    rim = np.concatenate([found.light[0], found.light[-1], found.light[:, 0], found.light[:, -1]])
    assert rim.max() < 0.01 * found.light.max()
    with pytest.raises(RunError, match="blended with another"):
        isolate(image + disk((90, 100), (30, 20), 6))


def test_half_the_light_of_a_disk():
    centre, radius = half_light(disk((200, 220), (90, 105), 12.0))
    np.testing.assert_allclose(centre, [90, 105], atol=0.05)
    assert radius == pytest.approx(12, rel=0.02)  # pixels are not infinitely small


def test_turned_copies_have_one_checksum_and_others_do_not():
    image = stamp()
    for turned in (image.T, image[::-1], np.rot90(image), np.rot90(image, 3)[:, ::-1]):
        assert pixel_checksum(turned) == pixel_checksum(image)
    assert pixel_checksum(stamp(seed=1)) != pixel_checksum(image)


def test_the_deep_field_has_many_galaxies_without_a_network_connection():
    galaxies = read_deep_field()
    assert len(galaxies) >= 70
    assert len({galaxy.checksum for galaxy in galaxies}) == len(galaxies)
    assert all(galaxy.light.min() >= 0 and galaxy.light.sum() == pytest.approx(1, rel=1e-4) for galaxy in galaxies)
    assert min(galaxy.radius for galaxy in galaxies) > 3  # 150 pixels are a circle of 7


def write_galsim(folder):
    """Write two galaxies, a third that no catalogue names, and a file of PSFs, as GalSim's RealGalaxyCatalog."""
    images = fits.HDUList([fits.PrimaryHDU(stamp(1)), fits.ImageHDU(stamp(2)), fits.ImageHDU(stamp(3))])
    images.writeto(folder / "images_n1.fits")
    fits.PrimaryHDU(stamp(4, radius=2.5)).writeto(folder / "PSF_n1.fits")
    columns = [
        fits.Column("IDENT", "J", array=[11, 12]),
        fits.Column("GAL_FILENAME", "32A", array=["images_n1.fits"] * 2),
        fits.Column("PSF_FILENAME", "32A", array=["PSF_n1.fits"] * 2),
        fits.Column("NOISE_FILENAME", "32A", array=["noise.fits"] * 2),
        fits.Column("GAL_HDU", "J", array=[0, 2]),
        fits.Column("PSF_HDU", "J", array=[0, 0]),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(folder / "real_galaxy_catalog_23.5.fits")
    return 2, {"not in the catalogue": 1, "PSF or noise of a catalogue": 1}


def write_fits(folder):
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(stamp(1)), fits.ImageHDU(stamp(2))]).writeto(folder / "two.fits")
    fits.PrimaryHDU(np.stack([stamp(3), stamp(4)])).writeto(folder / "cube.fits")
    return 3, {}


def write_pictures(folder):
    grey = (200 * disk(radius=8) + 20 + np.random.default_rng(0).integers(0, 3, (64, 70))).astype(np.uint8)
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(folder / "colour.jpg")
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(np.rot90(grey)).save(folder / "turned.png")
    Image.fromarray(grey.astype(np.uint16) * 100).save(folder / "sixteen.png")
    return 3, {"a copy of another": 1}


def write_arrays(folder):
    np.savez(folder / "maps.npz", maps=np.stack([stamp(1), stamp(2)]), names=np.array(["a", "b"]))
    np.save(folder / "one.npy", stamp(3))
    return 3, {}


@pytest.mark.parametrize("write", [write_galsim, write_fits, write_pictures, write_arrays])
def test_every_layout_is_read(tmp_path, write):
    number, passed = write(tmp_path)
    galaxies, found = read_source_images([tmp_path])
    assert (len(galaxies), dict(found)) == (number, passed)
    for galaxy in galaxies:
        assert galaxy.light.sum() == pytest.approx(1, rel=1e-4)
        assert 4 < galaxy.radius < 10


def test_bands_of_one_galaxy_share_its_checksum(tmp_path):
    bands = [fits.ImageHDU(stamp(seed), name=name) for seed, name in enumerate(("F115W", "F277W"))]
    fits.HDUList([fits.PrimaryHDU(), *bands]).writeto(tmp_path / "bands.fits")
    one, other = read_source_images([tmp_path])[0]
    assert one.checksum == other.checksum


def test_bad_files_are_counted(tmp_path):
    for name in ("broken.fits", "broken.jpg", "broken.npz", "broken.npy"):
        (tmp_path / name).write_bytes(b"SIMPLE  = no image")
    (tmp_path / "README.txt").write_text("about")
    np.save(tmp_path / "nan.npy", np.full((40, 40), np.nan))
    np.save(tmp_path / "small.npy", np.ones((8, 8)))
    np.save(tmp_path / "edge.npy", stamp(place=(33, 69)))
    with pytest.raises(RunError, match=r"no galaxy in .*: passed over 4 not readable"):
        read_source_images([tmp_path])
    np.save(tmp_path / "one.npy", stamp())
    galaxies, passed = read_source_images([tmp_path])
    assert len(galaxies) == 1
    assert passed["not readable"] == 4
    assert passed["pixels without a number"] == 1
    assert passed.total() == 7
    with pytest.raises(RunError, match="no file or folder"):
        read_source_images([tmp_path / "absent"])


def test_reading_ends_at_the_most(tmp_path):
    np.save(tmp_path / "many.npy", np.stack([stamp(seed) for seed in range(4)]))
    galaxies, passed = read_source_images([tmp_path], most=2)
    assert (len(galaxies), dict(passed)) == (2, {"after the first 2": 2})


def test_public_galaxies_of_every_layout_are_read(real_data):
    folder = real_data / "source_galaxies"
    if not folder.exists():
        pytest.skip("no source_galaxies in STRONGLENS_DATA")
    galaxies, passed = read_source_images([*sorted(folder.glob("cosmos_acs*")), folder / "probes"])
    assert len(galaxies) == 19  # ten of COSMOS, one in four bands, one more, and four nearby ones
    assert passed == {"not in the catalogue": 1}
    assert len({galaxy.checksum for galaxy in galaxies}) == 16
