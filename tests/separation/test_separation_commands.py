"""The task with both commands: training, report, measured files."""

import csv
import json
import zipfile

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from small_separation import SMALL_FLAGS

import generate_data
import model_and_figures
from stronglens.dataset import load_dataset
from stronglens.separation import network, radius, report
from stronglens.training import load_network

pytestmark = pytest.mark.command


def train(small_separation, folder, kind, *flags):
    """Train a network for light or for the convergence for an epoch, with its report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "MOST_TUNED", 3)
        patch.setattr(radius, "TIMED", 1)
        patch.setattr(radius, "learn_radius", learn_nothing)
        patch.setattr(network, "FILTERS", (4, 8, 8, 8))  # an epoch of the real one takes seconds
        command(folder, kind, f"--dataset-dir={small_separation}", f"--map={kind}", "-e=1", *flags)


def learn_nothing(dataset, images, split, epochs, seed):
    """In place of trainings of seconds: the light within the image in place of the errors."""
    return images[split["test"]].sum((1, 2)), 0.001


@pytest.fixture(scope="module")
def trained(small_separation, tmp_path_factory):
    """A folder with a network for light and its report."""
    folder = tmp_path_factory.mktemp("separation")
    assert generate_data.main([*SMALL_FLAGS, "--seed=1", "-n=30", f"--dataset-dir={folder / 'other'}", "--quiet"]) == 0
    train(small_separation, folder, "light", f"--measure-radius={folder / 'other'}")
    return folder


@pytest.fixture(scope="module")
def mapped(small_separation, tmp_path_factory):
    """A folder with a network for the convergence and its report."""
    folder = tmp_path_factory.mktemp("convergence")
    train(small_separation, folder, "convergence")
    return folder


def command(folder, kind, *arguments):
    files = [f"--figures-dir={folder / kind}", f"--model-file={folder / kind}.keras", "--quiet"]
    assert model_and_figures.main(["--task=separation", *map(str, arguments), *files]) == 0


@pytest.fixture(scope="module")
def image_file(small_separation, tmp_path_factory):
    """An image of the dataset in a larger FITS file, with world coordinates."""
    image = load_dataset(small_separation, "separation").images[0]
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [12.5, 20.5]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    header = wcs.to_header()
    header["BUNIT"], header["MAGZERO"], header["INSTRUME"] = "electron/s", 25.72, "VIS"
    path = tmp_path_factory.mktemp("files") / "lens.fits"
    fits.PrimaryHDU(np.pad(np.flipud(image), 4), header).writeto(path)
    return path


def test_report(trained):
    metrics = json.loads((trained / "light" / "metrics.json").read_text())
    assert metrics["images"] == 6
    methods = {"image", "Gaussian", "Wiener, 3x3", "total variation", "NL-means", "PCA", "network"}
    assert metrics["denoising"].keys() == methods
    psnr = metrics["source"]["network"]["psnr"]
    assert psnr["low"] <= psnr["value"] <= psnr["high"]
    assert metrics["misjudged_noise"]["2"]["denoising"]["value"] != 0
    for name in ("separated", "worst", "flux", "psnr", "history"):
        assert (trained / "light" / f"{name}.png").stat().st_size > 10_000
    assert len((trained / "light" / "predictions.csv").read_text().splitlines()) == 7


def test_einstein_radii_are_measured_on_raw_and_separated_images(trained):
    found = json.loads((trained / "light" / "metrics.json").read_text())["einstein_radius"]
    assert found["images"] == 6
    light = {kind: found[kind]["rms"]["value"] for kind in (radius.RAW, radius.SEPARATED, radius.TRULY)}
    assert light["truly separated"] < light["raw"] / 2, "the light of the lens is gone"
    assert found["raw"]["over_raw"]["value"] == 1
    assert found[radius.LONGER]["epochs"] >= 2 * radius.EPOCHS, "as long as both trainings"
    assert len(radius.radius_table(found)) == 7


@pytest.mark.slow
def test_a_radius_is_learned(small_separation):
    dataset = load_dataset(small_separation, "separation")
    split = dict(zip(("train", "valid", "test"), np.split(np.arange(60), (40, 50)), strict=True))
    errors, cost = radius.learn_radius(dataset, dataset.images[:], split, 2, 0)
    assert errors.shape == (10,)
    assert np.abs(errors).max() < 3  # the images reach to 2.4 arcsec
    assert cost > 0


@pytest.mark.slow
def test_report_of_the_convergence(mapped):
    metrics = json.loads((mapped / "convergence" / "metrics.json").read_text())
    assert metrics["error"]["components of the truth"]["value"] < 0.05 < metrics["error"]["mean map"]["value"]
    assert 0.2 < metrics["coverage_of_68"]["value"] < 1
    assert (mapped / "convergence" / "convergence.png").exists()


def test_measured_light_adds_up_and_keeps_the_coordinates(trained, image_file):
    command(trained, "light", "--predict", image_file)
    (path,) = (trained / "light").glob("separated_*lens.fits")
    with fits.open(path) as hdus:
        parts = hdus["SOURCE"].data + hdus["LENS"].data + hdus["RESIDUAL"].data
        assert parts == pytest.approx(hdus["IMAGE"].data, abs=1e-6)
        assert hdus["IMAGE"].data == pytest.approx(fits.getdata(image_file)[4:-4, 4:-4], rel=1e-5, abs=1e-7)
        assert hdus["SOURCE"].header["BUNIT"] == "electron/s"
        assert hdus[0].header["INSTRUME"] == "VIS"
        here = np.array(WCS(hdus["SOURCE"].header).all_pix2world(3, 5, 0))
    there = np.array(WCS(fits.getheader(image_file)).all_pix2world(7, 9, 0))
    assert here == pytest.approx(there, abs=1e-9)
    assert path.with_suffix(".png").exists()


@pytest.mark.slow
def test_measured_convergence(mapped, image_file):
    command(mapped, "convergence", "--predict", image_file)
    (path,) = (mapped / "convergence").glob("convergence_*lens.fits")
    with fits.open(path) as hdus:
        assert (hdus["CONVERGENCE"].data > 0).all()
        assert "BUNIT" not in hdus["CONVERGENCE"].header
        assert "Mass-sheet" in str(hdus[0].header["COMMENT"])


@pytest.fixture(scope="module")
def measuring(trained, tmp_path_factory):
    """The flags and the folder of a regression network that was trained on separated images."""
    folder = tmp_path_factory.mktemp("regression")
    flags = ["--task=regression", "--network=resnet", f"--figures-dir={folder}", f"--model-file={folder / 'r.keras'}"]
    flags += ["--quiet", f"--dataset-dir={folder / 'dataset'}"]
    made_with = ["--task=regression", *SMALL_FLAGS[1:], "--seed=1", "-n=40"]
    assert generate_data.main([*made_with, f"--dataset-dir={folder / 'dataset'}", "--quiet"]) == 0
    separated = [f"--separate={trained / 'light.keras'}", "--labels=einstein-radius", "-e=1", "-f=svg", "-sn=4"]
    assert model_and_figures.main([*flags, *separated]) == 0
    return flags, folder


@pytest.mark.slow
def test_a_network_that_learned_from_separated_images_measures_raw_ones(
    trained, measuring, image_file, small_separation
):
    flags, folder = measuring
    assert model_and_figures.main([*flags, "--predict", str(image_file), f"--separate={trained / 'light.keras'}"]) == 0
    with open(folder / "measured.csv") as file:
        (row,) = csv.DictReader(file)
    image = load_dataset(small_separation, "separation").images[:1]
    source = load_network(trained / "light.keras")[0].predict(image, verbose=0)[..., network.SOURCE]
    expected = load_network(folder / "r.keras")[0].predict(source, verbose=0)[0, 0]
    assert float(row["einstein-radius"]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_other_separations_are_refused(trained, measuring, image_file, tmp_path, capsys):
    flags, _ = measuring
    other = tmp_path / "other.keras"
    other.write_bytes((trained / "light.keras").read_bytes())
    with zipfile.ZipFile(other, "a") as archive:
        archive.comment = b"another file"
    for given, code, message in (
        ([], 2, "trained on separated images; give the same --separate=FILE"),
        ([f"--separate={other}"], 2, "is not the file with which the training images were separated"),
        ([f"--separate={measuring[1] / 'r.keras'}"], 1, "does not separate light"),
    ):
        with pytest.raises(SystemExit) as caught:
            model_and_figures.main([*flags, "--predict", str(image_file), *given])
        assert caught.value.code == code
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--adversarial"], "--adversarial applies to --network=branched only"),
        (["--measure-radius=other", "--map=convergence"], "--measure-radius tests the training of a network for light"),
        (["--network=components"], "--network=components does not apply to --map=light"),
        (["--map=convergence", "--network=branched"], "--network=branched does not apply to --map=convergence"),
        (["--mixed-precision"], "--mixed-precision applies to --task=regression"),
    ],
)
def test_refusals(flags, message, capsys):
    with pytest.raises(SystemExit) as caught:
        model_and_figures.main(["--task=separation", *flags])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
