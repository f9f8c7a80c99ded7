"""The flags of an explanation, and what the command writes."""

import json

import numpy as np
import pytest
from finding.small_finder import flags, make_images, table, write_dataset
from PIL import Image

import model_and_figures
from stronglens.finding.network import build_network
from stronglens.scaling import fit_image_scaling
from stronglens.training import load_network, save_network

pytestmark = pytest.mark.command
LAST = "--layer=relu_2"  # the images have 16 pixels; later feature maps have 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A dataset of images that were not simulated, and an untrained network for them."""
    folder = tmp_path_factory.mktemp("explained")
    write_dataset(folder / "dataset", 60, bands=1)
    images, _ = make_images(60, bands=1)
    rows = list(range(60))
    record = {
        "task": "finding", "labels": [], "image-shape": [16, 16], "pixel-scale": 0.1, "zero-point": 25.72,
        "telescope": "euclid", "classes": ["non-lens", "lens", "doubtful"], "bands": ["VIS"], "image-unit": "e-/s",
        "zero-points": [25.72], "backgrounds": [{"noise": [1.0, 1.0], "level": [0.0, 0.0]}], "simulation": None,
        "split": {"train": rows[:30], "valid": rows[30:40], "test": rows[40:]}, "background": {},
    }  # fmt: skip
    save_network(build_network("small", (16, 16), fit_image_scaling(images)), folder / "n.keras", record)
    return folder


def run(folder, *more):
    return model_and_figures.main([*flags(folder, folder / "dataset")[:4], *more])


def test_page_of_all_maps(folder, capsys):
    assert run(folder, "--explain=5", LAST, "--steps=4") == 0
    arrays = np.load(folder / "figures" / "explained_5_lens.npz")
    assert arrays["integrated_gradients"].shape == (16, 16)
    assert (folder / "figures" / "explained_5_lens.png").stat().st_size > 10_000
    assert "logit of lens less non-lens" in capsys.readouterr().out


def test_animations(folder):
    assert run(folder, "--explain=5", "--method=occlusion", "--patch=4") == 0
    assert run(folder, "--explain=noise", "--method=class-image", "--steps=3") == 0
    for name in ("explained_5_lens_occlusion", "class-image_noise_lens"):
        with Image.open(folder / "figures" / f"{name}.gif") as animation:
            assert animation.n_frames > 2


def test_kernels_and_feature_maps(folder):
    assert run(folder, "--explain=noise", "--method=kernels", LAST, "--steps=2") == 0
    assert run(folder, "--explain=5", "--method=activations") == 0
    assert {"kernels_noise_relu_2.png", "activations_5.png"} <= {one.name for one in (folder / "figures").iterdir()}


def test_the_test_is_kept_with_the_network(folder, capsys):
    """Images that were not simulated: blocks are replaced by blurred ones."""
    assert run(folder, "--explain-test=4", "--method=gradient") == 0
    assert "by blur: weaker" in capsys.readouterr().out
    written = json.loads((folder / "figures" / "explain_test.json").read_text())
    _, record = load_network(folder / "n.keras")
    assert record["explained"] == written
    assert {row["method"] for row in table(folder / "figures" / "explain_test.csv")} >= {"gradient", "brightness"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--explain=5", "--method=magic"], "--method=magic must be one of all"),
        (["--explain=5", "--output=ring"], "--output=ring must be one of lens"),
        (["--explain=5", "--fill=twin"], "needs a simulated dataset"),
        (["--explain=a.fits", "--fill=twin"], "the index of an image in a simulated dataset"),
        (["--explain=600"], "the dataset has the images 0 to 59"),
        (["--explain=noise"], "--explain=noise needs --method=class-image"),
        (["--explain=5", "--predict=a.fits"], "exclude --predict"),
    ],
)
def test_refusals(folder, capsys, more, message):
    with pytest.raises(SystemExit):
        run(folder, *more)
    assert message in capsys.readouterr().err.splitlines()[-1]
