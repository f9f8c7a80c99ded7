import sys

import pytest

from stronglens.execution import Progress, describe_duration


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    monkeypatch.setattr("stronglens.execution.progress.time", clock := Clock())
    monkeypatch.setattr("stronglens.execution.progress.PLAIN_LINE_INTERVAL", 0.0)
    return clock


def test_progress_writes_plain_lines_where_there_is_no_terminal(capsys, clock):
    with Progress(20, "simulating", "images") as progress:
        for _ in range(2):
            clock.now += 5
            progress.advance(5)
    # The first five tell nothing of the rate; the second took 5 s, and ten are left.
    assert capsys.readouterr().err == "simulating: 5 of 20 images\nsimulating: 10 of 20 images, 10 s left\n"
    with Progress(10, "simulating", "images", quiet=True) as progress:
        progress.advance(5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("at_once", [1, 3])
def test_rate_leaves_out_start_up(clock, at_once):
    chunks = 128
    progress = Progress(10 * chunks, "simulating", "images", quiet=True, at_once=at_once)
    clock.now += 60  # start-up and compilation
    for _ in range(at_once):
        clock.now += 1
        progress.advance(chunks)
        assert progress.rate is None
    for _ in range(3):
        clock.now += 0.5
        progress.advance(chunks)
    assert progress.rate == pytest.approx(128 / 0.5)


def test_fewer_chunks_than_threads_have_no_rate(clock):
    progress = Progress(256, "simulating", "images", quiet=True, at_once=3)
    for _ in range(2):
        clock.now += 1
        progress.advance(128)
    assert progress.rate is None


def test_bar_shows_the_same_rate(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress(400, "simulating", "images") as progress:
        clock.now += 60
        progress.advance(100)
        clock.now += 2
        progress.advance(100)
        progress._bar.refresh()
    assert "4.0 s left, 50 images/s]" in capsys.readouterr().err


def test_durations():
    assert [describe_duration(s) for s in (3.21, 45, 200, 7500)] == ["3.2 s", "45 s", "3 min 20 s", "2 h 05 min"]
