"""The commands of the task: training, committee, published weights, report."""

import json

import numpy as np
import pytest
from small_finder import flags, make_images, table, write_dataset

import model_and_figures
from stronglens.finding.network import build_network
from stronglens.scaling import fit_image_scaling
from stronglens.training import Classification, fit, load_network

pytestmark = pytest.mark.command


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("made") / "dataset")


@pytest.fixture(scope="module")
def committee(tmp_path_factory, dataset):
    folder = tmp_path_factory.mktemp("committee")
    other = write_dataset(folder / "others", 27, seed=1)
    more = ["--members=2", f"--more-tests={other}"]
    assert model_and_figures.main(flags(folder, dataset, *more)) == 0
    return folder


def test_report_of_a_committee(committee):
    metrics = json.loads((committee / "figures" / "metrics.json").read_text())
    rows = table(committee / "figures" / "predictions.csv")
    assert {row["group"] for row in rows} == {"non-lens", "lens"}  # doubtful images are scored apart
    assert all(0 <= float(row["P(lens)"]) <= 1 for row in rows)
    network, record = load_network(committee / "n.keras")
    assert [layer.name for layer in network.layers if layer.name.startswith("member")] == ["member_1", "member_2"]
    assert record["bands"] == ["VIS", "Y"]
    assert len(record["split"]["doubtful"]) == 13  # of 120, each ninth
    assert record["familiarity"]
    (found,) = metrics["more_tests"].values()
    assert 0 <= found["auroc"]["value"] <= 1
    assert not list(committee.glob("n.member*"))


def test_members_differ(committee):
    network, _ = load_network(committee / "n.keras")
    one, other = (network.get_layer(f"member_{number}").get_weights()[0] for number in (1, 2))
    assert not np.array_equal(one, other)


def test_doubtful_images_and_rare_groups_have_their_weight():
    objective = Classification(2, weights=(1.0, 3.0), ignored=2)
    network = build_network("small", (16, 16), None)
    targets = objective.encode(network, np.array([[0.0], [1.0], [2.0]]), "training")
    _, kept, weights = objective.arrange(np.zeros((3, 16, 16)), targets)
    np.testing.assert_array_equal(weights, [1, 3, 0])
    np.testing.assert_array_equal(kept[2], [0, 0])


def test_published_networks_overfit_few_images(tmp_path):
    """Without dropout; the layers are those of ou66, the image has the smallest size."""
    images, groups = make_images(9, 1)
    images = np.pad(images[groups < 2], ((0, 0), (21, 21), (21, 21)))
    groups = groups[groups < 2, None].astype(float)
    network = build_network("ou66", images.shape[1:], fit_image_scaling(images), seed=1, dropout=0.0)
    history = fit(
        network, (images, groups), None, label_names=["group"], model_file=tmp_path / "n.keras", epochs=12,
        learning_rate=1e-3, objective=Classification(2), batch_size=16, quiet=True,
    )  # fmt: skip
    assert history["accuracy"][-1] == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--weights-from=w.pt"], "needs --network=ou66 or ou200, and --input=minmax"),
        (["--weights-from=w.pt", "--network=ou66", "--input=minmax"], "w.pt: no such file"),
        (["--weights-from=w.pt", "--network=ou66", "--input=minmax", "--members=2"], "excludes --members"),
        (["--field-images=10"], "needs a dataset that generate_data.py has simulated"),
    ],
)
def test_refusals(tmp_path, dataset, capsys, more, message):
    with pytest.raises(SystemExit):
        model_and_figures.main(flags(tmp_path, dataset, *more))
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_trained_network_is_tested_again(committee, dataset, capsys):
    """With the same numbers; a network of other images is refused."""
    before = json.loads((committee / "figures" / "metrics.json").read_text())
    assert model_and_figures.main([*flags(committee, dataset, "--members=2"), "--test-only"]) == 0
    after = json.loads((committee / "figures" / "metrics.json").read_text())
    assert after["auroc"] == before["auroc"]
    assert after["more_tests"] == {}
    with pytest.raises(SystemExit):
        model_and_figures.main([*flags(committee, dataset, "--members=2", "--seed=5"), "--test-only"])
    assert "was not trained on these images" in capsys.readouterr().err
