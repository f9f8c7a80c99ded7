"""Images of the Bologna challenges: their truth, and their conversion to a dataset."""

import csv

import numpy as np
import pytest
from astropy.io import fits

import generate_data
from stronglens.dataset import load_dataset
from stronglens.finding.foreign import read_truth
from stronglens.parameters import RunError

FIRST = "ID,is_lens,Einstein_area\n100007,1,0.2\n100008,0,0\n"
SECOND = "# a comment\n# ID: number, other words\nID,x_crit,n_source_im,mag_eff,n_pix_source\n" + "".join(
    f"{number},0,{images},{magnification},{pixels}\n"
    for number, images, magnification, pixels in ((7, 1, 1.7, 21), (8, 0, 9, 99), (9, 1, 1.6, 99), (10, 2, 5, 20))
)


def test_truth_of_both_challenges(tmp_path):
    (tmp_path / "a.csv").write_text(FIRST)
    assert read_truth(tmp_path / "a.csv") == {"100007": 1, "100008": 0}
    (tmp_path / "b.csv").write_text(SECOND)
    assert read_truth(tmp_path / "b.csv") == {"7": 1, "8": 0, "9": 0, "10": 0}
    (tmp_path / "c.csv").write_text("ID,mag_eff\n1,2\n")
    with pytest.raises(RunError, match=r"no column is_lens, .* it lacks n_pix_source, n_source_im"):
        read_truth(tmp_path / "c.csv")


def write_challenge(folder, numbers, **folders):
    """Images of noise of 1e-12 and 3e-12 with a spot, in folders of bands."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64] - 31.5
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -0.1 / 3600, "CDELT2": 0.1 / 3600})
    for number in numbers:
        for band, noise in folders.items():
            image = 1e-12 * noise * (random.normal(size=(64, 64)) + 20 * np.exp(-(x**2 + y**2) / 8))
            image[25, 30] = 100
            path = folder / band / f"image{band}-{number}.fits"
            path.parent.mkdir(parents=True, exist_ok=True)
            fits.PrimaryHDU(image, header).writeto(path)


FLAGS = ["--task=finding", "--bands=VIS,Y", "--grid-size=24"]


@pytest.mark.command
def test_images_and_their_truth_become_a_dataset(tmp_path, capsys):
    write_challenge(tmp_path / "public", (100007, 100008), EUC_Y=3, EUC_VIS=1)
    (tmp_path / "public" / "truth.csv").write_text(FIRST)
    flags = [*FLAGS, f"--convert-from={tmp_path / 'public'}", f"--dataset-dir={tmp_path / 'made'}"]
    assert generate_data.main(flags) == 0
    assert "2 images of" in capsys.readouterr().out
    dataset = load_dataset(tmp_path / "made", "finding")
    assert dataset.labels["group"].tolist() == [1, 0]
    assert dataset.labels["kind"].tolist() == [0, 11]
    assert dataset.labels["source"][0] == "EUC_VIS/imageEUC_VIS-100007.fits"
    assert dataset.manifest["bands"] == ["VIS", "Y"]
    images = dataset.images[:]
    assert images.shape == (2, 24, 24, 2)
    # Noise of simulated images, e-/s in a pixel of 0.1 arcsec: 0.0072 in VIS, 0.0056 in Y; that of files is measured
    # to 20 %. The spot is 20 times as bright, the masked pixel is filled.
    peaks = images.max(axis=(1, 2))
    np.testing.assert_allclose(peaks / 20, [[0.0072, 0.0056]] * 2, rtol=0.35)


@pytest.mark.command
def test_folders_of_groups_and_refusals(tmp_path, capsys):
    write_challenge(tmp_path / "public" / "lens", (3,), Band1=1, Band2=3)
    write_challenge(tmp_path / "public" / "no_lens", (4, 5), Band1=1, Band2=3)
    flags = [*FLAGS, f"--dataset-dir={tmp_path / 'made'}", "--format=zarr"]
    assert generate_data.main([*flags, f"--convert-from={tmp_path / 'public'}"]) == 0
    rows = list(csv.DictReader((tmp_path / "made" / "labels.csv").read_text().splitlines()))
    assert [float(row["group"]) for row in rows] == [1, 0, 0]
    capsys.readouterr()
    for folder, message in (
        (tmp_path / "public" / "lens", "contains 0 .csv files; the truth is in one table there, or in folders lens/"),
        (tmp_path / "absent", "is not a folder"),
    ):
        with pytest.raises(SystemExit):
            generate_data.main([*flags, "--force", f"--convert-from={folder}"])
        assert message in capsys.readouterr().err
