"""Networks that come with the project: which network is used, and whether its intervals contain simulated truths."""

from pathlib import Path

import numpy as np
import pytest

import generate_data
import params_and_cli as panel
from stronglens.dataset import load_dataset
from stronglens.execution import Console
from stronglens.learning.bundled import choose_network
from stronglens.parameters import parse_command

NAMES = [path.stem for path in sorted(panel.PRESETS.glob("*.keras"))]
LENSES = 64


def parse(*flags):
    return parse_command(panel.COMMANDS, list(flags), program="model_and_figures.py", presets=panel.PRESETS)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_the_network_of_a_preset_is_used_and_named(name, capsys):
    chosen = choose_network(parse(f"--preset={name}", "--predict=lens.fits"), panel.PRESETS, Console())
    assert chosen.model_file == panel.PRESETS / f"{name}.keras"
    said = capsys.readouterr().out
    assert f"--preset={name} (there is none in models/{name}.keras), trained at commit" in said
    assert "40,000 images" in said
    assert chosen.model_file.stat().st_size < 6e6  # so that a clone stays small


def test_the_users_own_network_comes_first(capsys):
    Path("models").mkdir()
    Path("models/slacs.keras").touch()
    own = parse("--preset=slacs", "--predict=lens.fits")
    assert choose_network(own, panel.PRESETS, Console()) is own
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "flags", [["--preset=slacs", "--model-file=mine.keras"], ["--preset=slacs", "--explain-test=4"], []]
)
def test_another_network_is_not_replaced(flags):
    asked = parse(*flags, "--predict=lens.fits")
    assert choose_network(asked, panel.PRESETS, Console(quiet=True)) is asked


@pytest.mark.slow
@pytest.mark.command
@pytest.mark.parametrize("name", NAMES)
def test_posteriors_contain_simulated_truths(name):
    from stronglens.regression.posterior import Posterior
    from stronglens.training import load_network

    assert generate_data.main([f"--preset={name}", f"-n={LENSES}", "--seed=17", "--dataset-dir=lenses", "--quiet"]) == 0
    dataset = load_dataset("lenses")
    network, record = load_network(panel.PRESETS / f"{name}.keras")
    draws = Posterior(network, record).sample_images(dataset.images[np.arange(LENSES)], 1000)
    labels = [label["name"] for label in record["labels"]]
    truth = dataset.labels[labels].to_numpy(float)
    # Chances of a calibrated posterior of 64 lenses, binomial: one label in 10,000 has fewer or more inside.
    for share, fewest, most in ((0.68, 29, 56), (0.95, 53, LENSES)):
        low, high = np.quantile(draws, [(1 - share) / 2, (1 + share) / 2], axis=1)
        inside = dict(zip(labels, np.sum((truth >= low) & (truth <= high), axis=0), strict=True))
        assert all(fewest <= number <= most for number in inside.values()), (share, inside)
