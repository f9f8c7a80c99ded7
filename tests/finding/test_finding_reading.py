"""Files of --predict: several bands in one file or in several, units and masks of the Bologna challenge."""

import csv

import numpy as np
import pytest
from astropy.io import fits
from small_finder import BANDS, make_images

import model_and_figures
from stronglens.finding.network import build_network
from stronglens.finding.reading import BandReader
from stronglens.measuring import read_training_images
from stronglens.observation import describe_backgrounds
from stronglens.parameters import RunError, UsageError
from stronglens.scaling import fit_image_scaling
from stronglens.training import save_network

FLAGS = ["--task=finding", "--pixel-scale=0.1", "--unit=e-/s"]
RECORD = {
    "task": "finding", "image-shape": [24, 24, 2], "pixel-scale": 0.1, "zero-point": 25.72, "image-unit": "e-/s",
    "telescope": "euclid", "labels": [{}], "classes": ["non-lens", "lens", "doubtful"], "bands": BANDS,
    "zero-points": [25.72, 25.04],
}  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """An untrained network and its file; of 24 pixels in files of 64: a noise is measured in 41 or more."""
    images, _ = make_images(20)
    network = build_network("small", (24, 24, 2), fit_image_scaling(images))
    wide = np.random.default_rng(0).normal(size=(4, 64, 64))
    record = RECORD | {"backgrounds": [describe_backgrounds(wide), describe_backgrounds(3 * wide)]}
    path = tmp_path_factory.mktemp("network") / "n.keras"
    save_network(network, path, record)
    return network, path, record


def parameters_of(path, record, *words):
    import params_and_cli as panel
    from stronglens.parameters import parse_command

    parameters = parse_command(
        panel.COMMANDS, [*FLAGS, f"--model-file={path}", *map(str, words)], program="model_and_figures.py",
        overrides=panel.OVERRIDES, examples=panel.EXAMPLES["model_and_figures.py"], version="0",
        presets=panel.PRESETS, label_help=None,
    )  # fmt: skip
    return parameters, read_training_images(parameters, record)


def read_all(network, *words):
    parameters, training = parameters_of(network[1], network[2], *words)
    read = BandReader(parameters, training)
    return [read(image) for image in read.list_images()]


@pytest.fixture
def images():
    return np.random.default_rng(1).normal(size=(64, 64, 2)) + 5


def middle(images):
    return images[20:44, 20:44].astype(np.float32)


def write_fits(path, image):
    path.parent.mkdir(exist_ok=True, parents=True)
    fits.PrimaryHDU(np.flipud(image)).writeto(path)


def test_extensions_of_one_file_are_bands(tmp_path, network, images):
    hdus = [fits.PrimaryHDU()]
    for place, band in ((1, "NIR_Y"), (0, "VIS")):  # in any order
        noise = np.ones((64, 64))
        noise[50, 30] = 1e16  # a bad pixel inside the field, row 13 from the top
        hdus.append(fits.ImageHDU(np.flipud(images[..., place]), name=f"{band}_BGSUB"))
        hdus.append(fits.ImageHDU(np.flipud(np.roll(noise, -20, 0)), name=f"{band}_RMS"))
    fits.HDUList(hdus).writeto(tmp_path / "one.fits")
    (read,) = read_all(network, "--predict", tmp_path / "one.fits")
    # Zero points are unknown, and e-/s those of the telescope: pixels stay what they are.
    expected = middle(images)
    assert read.seen.shape == (24, 24, 2)
    good = np.ones((24, 24), bool)
    good[10, 10] = False
    np.testing.assert_allclose(read.seen[good], expected[good], rtol=1e-6)
    assert np.isfinite(read.seen).all()
    assert abs(read.seen[10, 10] - expected[10, 10]).min() > 0
    assert read.prepared.noise[..., 1].mean() == pytest.approx(1, rel=0.2)  # measured, not that of the map


def test_a_file_for_each_band(tmp_path, network, images):
    for place, band in enumerate(BANDS):
        write_fits(tmp_path / band / "a.fits", images[..., place])
        write_fits(tmp_path / band / "b.fits", images[..., place] + 1)
    named = read_all(network, "--predict", f"{tmp_path}/{{band}}/a.fits")
    folders = read_all(network, "--predict", f"{tmp_path}/{{band}}")
    found = read_all(network, "--predict", tmp_path)
    assert [len(some) for some in (named, folders, found)] == [1, 2, 2]
    for read in (named[0], folders[0], found[0]):
        np.testing.assert_allclose(read.seen, middle(images), rtol=1e-6)
    np.testing.assert_allclose(found[1].seen, middle(images) + 1, rtol=1e-6)


def test_arrays_with_an_axis_of_bands(tmp_path, network, images):
    """NumPy and pickle files (H, W, B), a cube (N, H, W, B) and Zarr, in the order of the network's bands."""
    import pickle

    import zarr

    np.save(tmp_path / "a.npy", images)
    (tmp_path / "b.pickle").write_bytes(pickle.dumps(images.astype(np.float32)))
    np.save(tmp_path / "cube.npy", np.stack([images, images + 1]))
    zarr.create_array(str(tmp_path / "c.zarr"), data=np.stack([images, images + 1]))
    single = read_all(network, "--predict", tmp_path / "a.npy", tmp_path / "b.pickle")
    planes = read_all(network, "--planes=all", "--predict", tmp_path / "cube.npy")
    both = read_all(network, "--predict", tmp_path / "c.zarr")
    assert [len(some) for some in (single, planes, both)] == [2, 2, 2]
    for read, added in zip([*single, *planes, *both], (0, 0, 0, 1, 0, 1), strict=True):
        np.testing.assert_allclose(read.seen, middle(images) + added, rtol=1e-5)
    np.save(tmp_path / "other.npy", np.zeros((64, 64, 3)))
    with pytest.raises(RunError, match=r"has the shape \(64, 64, 3\); an image of the network's 2 bands has"):
        read_all(network, "--predict", tmp_path / "other.npy")


def test_folders_of_the_challenge(tmp_path, network, images):
    """Files belong together by their numbers; masked pixels are 100; the unit is unknown."""
    images = images - 5
    images[20:44, 20:44] += np.hypot(*np.mgrid[-12:12, -12:12])[..., None] < 4
    for number, place in ((1, 0), (2, 1)):
        stored = 1e-12 * images[..., place]
        stored[2, 3] = 100
        stored[30, 30] = 100
        write_fits(tmp_path / f"Band{number}" / f"imageEUC_{number}-100007.fits", stored)
    (read,) = read_all(network, "--predict", tmp_path, "--bologna")
    for place, noise in enumerate((1, 3)):
        # Its noise, of a standard deviation of 1, becomes that of the training images. It is measured to 20 %.
        ratio = np.median(read.seen[..., place]) / np.median(middle(images)[..., place])
        assert ratio == pytest.approx(noise, rel=0.4)
        assert read.prepared.noise[..., place].mean() == pytest.approx(noise, rel=0.2)
    assert np.abs(read.seen).max() < 30
    assert read.prepared.mask[10, 10]
    assert any("1 of 576 pixels inside the field is masked" in note for note in read.notes)


def test_what_is_missing_is_said(tmp_path, network, images):
    write_fits(tmp_path / "one.fits", images[..., 0])
    with pytest.raises(RunError, match=r"one.fits: has no extension of the band VIS; give a file for each band"):
        read_all(network, "--predict", tmp_path / "one.fits")
    write_fits(tmp_path / "VIS" / "a1.fits", images[..., 0])
    with pytest.raises(UsageError, match="folders of some bands, but not of all: VIS, Y"):
        read_all(network, "--predict", tmp_path)
    write_fits(tmp_path / "Y" / "a2.fits", images[..., 1])
    with pytest.raises(RunError, match=r"a1.fits: there is no image of the same name or number"):
        read_all(network, "--predict", tmp_path)


@pytest.mark.command
def test_scores_are_those_of_the_network(tmp_path, network, images, capsys):
    for place, band in enumerate(BANDS):
        write_fits(tmp_path / "files" / band / "a.fits", images[..., place])
    flags = [*FLAGS, f"--model-file={network[1]}", f"--figures-dir={tmp_path}", "--predict", str(tmp_path / "files")]
    assert model_and_figures.main(flags) == 0
    (row,) = csv.DictReader((tmp_path / "measured.csv").read_text().splitlines())
    expected = network[0].predict(middle(images)[None], verbose=0)[0, 1]
    assert float(row["P(lens)"]) == pytest.approx(expected, abs=1e-5)
    assert (tmp_path / "measured.png").exists()
    printed = capsys.readouterr().out
    assert "Unknown whether the network has learned to find lenses" in printed
    assert "no out-of-distribution score" in printed


@pytest.mark.command
def test_arrays_of_images_are_scored_as_they_are(tmp_path, network, capsys):
    import zarr

    cube = np.random.default_rng(2).normal(size=(300, 24, 24, 2)).astype(np.float32)
    cube[7, 3, 3, 0] = np.nan
    zarr.create_array(str(tmp_path / "cube.zarr"), data=cube)
    flags = [*FLAGS, f"--model-file={network[1]}", f"--figures-dir={tmp_path}", "--as-is", "--predict"]
    assert model_and_figures.main([*flags, str(tmp_path / "cube.zarr")]) == 0
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert [int(row["plane"]) for row in rows] == list(range(300))
    scores = np.array([float(row["P(lens)"]) for row in rows])
    assert np.flatnonzero(np.isnan(scores)).tolist() == [7]
    good = np.isfinite(scores)
    np.testing.assert_allclose(scores[good], network[0].predict(cube[good], verbose=0)[:, 1], atol=1e-5)
    first = capsys.readouterr().out.splitlines()[0]
    assert f"cube.zarr[{np.nanargmax(scores)}]" in first
    zarr.create_array(str(tmp_path / "other.zarr"), data=cube[..., 0])
    with pytest.raises(SystemExit):
        model_and_figures.main([*flags, str(tmp_path / "other.zarr")])
    assert "has the shape (300, 24, 24); with --as-is it must be (N, 24, 24, 2)" in capsys.readouterr().err


def test_planes_of_a_fits_cube_have_their_first_row_at_the_top(tmp_path):
    from stronglens.observation import read_block

    cube = np.arange(60, dtype=np.float32).reshape(5, 3, 4)
    fits.PrimaryHDU(cube[:, ::-1]).writeto(tmp_path / "cube.fits")
    np.testing.assert_array_equal(read_block(tmp_path / "cube.fits", 1, 4), cube[1:4])
