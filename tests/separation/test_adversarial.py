"""Adversarial training: both networks learn, and an interrupted training goes on as if nothing had happened."""

import numpy as np
import pytest
from interrupted import ctrl_c_after

import model_and_figures
import params_and_cli as panel
from stronglens.execution import Console
from stronglens.separation import adversarial, network
from stronglens.separation.plan import plan_training
from stronglens.separation.train import train_network
from stronglens.training import keras


def train(dataset, path, *flags):
    """Train a small branched network for two epochs; return the history."""
    parameters = panel.COMMANDS["model_and_figures.py"]["separation"].of(
        panel.OVERRIDES, task="separation", network="branched", adversarial=True, epochs=2, dataset_dir=dataset,
        model_file=path, figures_dir=path.parent, quiet=True, **dict.fromkeys(flags, True),
    )  # fmt: skip
    return train_network(plan_training(parameters, Console(True), model_and_figures.rebuild), None)


@pytest.fixture
def small(monkeypatch):
    for name, value in {"TRUNK": 4, "TRUNK_BLOCKS": 1, "BRANCH_BLOCKS": 1}.items():
        monkeypatch.setattr(network, name, value)


@pytest.mark.slow
def test_an_interrupted_training_goes_on(small, small_separation, tmp_path):
    straight = train(small_separation, tmp_path / "straight.keras")
    for name in ("loss", "adversarial_loss", "discriminator_loss", "val_adversarial_loss", "rmse_source"):
        assert np.isfinite(straight[name]).all()
    units = np.square(straight["val_rmse_noise"]) + np.square(straight["val_rmse_source"])
    assert straight["val_loss"] == pytest.approx(units, rel=1e-4), "epochs are compared by the plain loss"
    with ctrl_c_after(1):
        train(small_separation, tmp_path / "network.keras")
    assert train(small_separation, tmp_path / "network.keras", "resume") == straight


def test_both_networks_go_their_own_way(small):
    """The discriminator's loss does not move the generator, nor the adversarial loss the discriminator."""
    from test_separation_network import CAMERA, SCALING, SIDE, some_images

    built = network.build_network("branched", (SIDE, SIDE), SCALING, CAMERA, seed=0)
    pair = adversarial.AdversarialError(0).core(built)
    images, _ = some_images()
    truth = np.zeros((*images.shape, 2), np.float32)
    tensorflow = pytest.importorskip("tensorflow")
    if keras.config.backend() != "tensorflow":
        pytest.skip("gradients are taken with TensorFlow")
    with tensorflow.GradientTape(persistent=True) as tape:
        output = pair((images, truth), training=True)
        losses = {
            plane: keras.ops.mean(output[..., plane]) for plane in (adversarial.ADVERSARIAL, adversarial.DISCRIMINATOR)
        }
    weights = {"generator": pair.generator.trainable_variables, "discriminator": pair.discriminator.trainable_variables}
    moved = {
        (plane, name): any(one is not None and np.any(one) for one in tape.gradient(loss, [w.value for w in of]))
        for plane, loss in losses.items()
        for name, of in weights.items()
    }
    assert moved == {
        (adversarial.ADVERSARIAL, "generator"): True, (adversarial.ADVERSARIAL, "discriminator"): False,
        (adversarial.DISCRIMINATOR, "generator"): False, (adversarial.DISCRIMINATOR, "discriminator"): True,
    }  # fmt: skip


def test_a_discriminator_that_has_won_is_named():
    assert adversarial.explain_losses({"discriminator_loss": [0.6, 0.5]}) is None
    assert "has diverged" in adversarial.explain_losses({"discriminator_loss": [0.6, 0.01]})
