"""Players that train against each other: turns, resuming, and failures that are provoked on purpose."""

import numpy as np
import pytest

from stronglens.generation import game as game_module
from stronglens.generation.adversaries import build_code_discriminator, build_code_generator
from stronglens.generation.code_gan import RealCodes
from stronglens.generation.codes import Codes
from stronglens.generation.duel import Duel
from stronglens.generation.flows import DENSITY
from stronglens.generation.game import find_failure, fit_game, is_good
from stronglens.parameters import RunError
from stronglens.training import load_network

SIZE, BATCH = 2, 50
RECORD = {"code-mean": [0.0] * SIZE, "code-deviation": [1.0] * SIZE, "label-mean": [], "label-deviation": []}


@pytest.fixture(scope="module")
def batches():
    points = np.random.default_rng(0).standard_normal((1, 400, SIZE)).astype(np.float32)
    codes = Codes(points, np.zeros_like(points), np.empty((1, 400, 0), np.float32))
    return lambda: RealCodes(codes, RECORD, BATCH, 1, DENSITY, 0)


def make_duel(batches, rates=(1e-3, 1e-3)):
    generator = build_code_generator(SIZE, 0, 1)
    real = batches().codes.mean[0, :200]

    def draw(random, condition, number):
        return {"code": random.standard_normal((number, SIZE), np.float32)}

    return Duel(
        generator, build_code_discriminator(SIZE, 0, 2), rates, draw, lambda points: points, real,
        np.empty((200, 0), np.float32), generator, 0,
    )  # fmt: skip


def play(duel, batches, path, epochs, resume=False, say=lambda line: None):
    return fit_game(
        duel, batches(), model_file=path, epochs=epochs, seed=0, settings={}, record={}, log_dir=path.parent / "logs",
        resume=resume, quiet=True, say=say,
    )  # fmt: skip


def test_players_train_in_turns(batches, tmp_path):
    duel = make_duel(batches)
    seen = {}
    for player in (duel.discriminator, duel.combined):
        original = player.train_on_batch

        def watched(*arguments, original=original, name=player.name, **named):
            before = [network.get_weights() for network in duel.networks]
            result = original(*arguments, **named)
            after = [network.get_weights() for network in duel.networks]
            moved = [
                any(not np.array_equal(*pair) for pair in zip(*both, strict=True))
                for both in zip(before, after, strict=True)
            ]
            seen[name] = moved
            return result

        player.train_on_batch = watched
    history = play(duel, batches, tmp_path / "g.keras", 1)
    assert seen[duel.discriminator.name] == [False, True], "the generator is not in the discriminator's training"
    assert seen[duel.combined.name] == [True, False], "the discriminator is frozen while the generator trains"
    assert set(history) == {"generator", "discriminator", "coverage", "pair-distance", "distance"}
    assert (tmp_path / "logs" / "history.csv").read_text().startswith("epoch,generator,discriminator")
    load_network(tmp_path / "g.keras")


def test_an_interrupted_game_ends_as_an_uninterrupted_one(batches, tmp_path, monkeypatch):
    whole = make_duel(batches)
    play(whole, batches, tmp_path / "whole.keras", 3)
    with monkeypatch.context() as patch:
        original = Duel.begin_epoch
        begun = []

        def begin(self):
            begun.append(self)
            if len(begun) == 3:
                raise KeyboardInterrupt
            original(self)

        patch.setattr(Duel, "begin_epoch", begin)
        with pytest.raises(KeyboardInterrupt):
            play(make_duel(batches), batches, tmp_path / "part.keras", 3)
    again = make_duel(batches)
    play(again, batches, tmp_path / "part.keras", 3, resume=True)
    for one, other in zip(whole.networks, again.networks, strict=True):
        for weights in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(*weights)
    for one, other in zip(whole.optimizers, again.optimizers, strict=True):
        for variables in zip(one.variables, other.variables, strict=True):
            np.testing.assert_array_equal(*(variable.numpy() for variable in variables))


def test_a_collapse_is_named_and_ends_at_the_last_good_epoch(batches, tmp_path, monkeypatch):
    # A discriminator that does not learn: the generator makes what it likes best, always the same.
    monkeypatch.setattr(game_module, "PATIENCE", 3)
    said = []
    duel = make_duel(batches, rates=(1e-2, 0.0))
    history = play(duel, batches, tmp_path / "g.keras", 40, say=said.append)
    assert len(history["distance"]) < 40, "the training has stopped"
    assert said[0].startswith("Collapse in epoch")
    assert "the last good one" in said[0]
    _, record = load_network(tmp_path / "g.keras")
    best = record["training"]["best_epoch"]
    assert is_good(history)[best - 1]
    assert record["training"]["failure"] in said[0]


def test_a_divergence_is_named(batches, tmp_path):
    said = []
    duel = make_duel(batches)
    original = duel.play
    steps = []

    def play_badly(batch, random):
        steps.append(batch)
        if len(steps) == 12:  # in the second epoch of 8 steps: a learning rate that is far too high
            duel.optimizers[0].learning_rate.assign(1e30)
        return original(batch, random)

    duel.play = play_badly
    play(duel, batches, tmp_path / "g.keras", 3, say=said.append)
    assert said[0].startswith("Divergence in epoch 2")
    assert np.isfinite(load_network(tmp_path / "g.keras")[0].get_weights()[0]).all()
    with pytest.raises(RunError, match="Divergence in epoch 1"):
        play(make_duel(batches, rates=(1e30, 1e-3)), batches, tmp_path / "h.keras", 2)


def test_a_discriminator_that_knows_everything_is_named():
    good = {"coverage": [0.8, 0.8], "pair-distance": [1.0, 1.0]}
    failure = find_failure(good | {"generator": [1.0, 30.0]}, 10)
    assert failure.startswith("Divergence in epoch 2: the discriminator knows all that the generator makes")
    assert find_failure(good | {"generator": [1.0, 2.0]}, 10) is None


def test_a_training_may_begin_badly():
    bad = {"coverage": [0.01] * 6, "pair-distance": [0.1] * 6, "generator": [1.0] * 6}
    assert find_failure(bad, steps=10) is None
    assert find_failure(bad, steps=1000).startswith("Collapse in epoch 6")
