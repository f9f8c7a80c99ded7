import io
from types import SimpleNamespace

import pytest

from stronglens.training.progress import TrainingProgress


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("stronglens.training.progress.time.monotonic", lambda: clock.now)
    monkeypatch.setattr("stronglens.training.progress.PLAIN_INTERVAL", 0.0)
    return clock


@pytest.mark.parametrize("first", [0, 3])  # from the start, and resumed
def test_time_left_leaves_out_the_compilation_of_the_first_step(clock, first):
    stream = io.StringIO()
    progress = TrainingProgress(first + 2, 10, stream=stream)
    progress.on_epoch_begin(first)
    clock.now += 60  # compilation
    progress.on_train_batch_end(0, {"loss": 1.0})
    for step in range(1, 10):
        clock.now += 2
        progress.on_train_batch_end(step, {"loss": 1.0})
    progress.on_epoch_end(first, {"loss": 1.0, "val_loss": 1.0})
    lines = stream.getvalue().splitlines()
    assert "left" not in lines[0]
    assert lines[1].endswith("0:36 left")  # 18 steps of 2 s
    assert lines[-1].endswith("0:20 left")  # one epoch of ten


def test_epochs_of_one_step_have_a_time_left_from_the_second_on(clock):
    stream = io.StringIO()
    progress = TrainingProgress(3, 1, stream=stream)
    for epoch in range(2):
        progress.on_epoch_begin(epoch)
        clock.now += 60 if epoch == 0 else 4
        progress.on_train_batch_end(0, {"loss": 1.0})
        progress.on_epoch_end(epoch, {"loss": 1.0})
    lines = stream.getvalue().splitlines()
    assert "left" not in lines[1]
    assert lines[-1].endswith("0:04 left")
