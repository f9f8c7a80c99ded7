import os
import signal
import subprocess
import sys

import pytest

from stronglens.execution import Progress, describe_bytes, describe_duration, exit_codes, run_chunks
from stronglens.parameters import RunError, UsageError


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("--x: no"), 2, "error: --x: no"),
        (RunError("file.fits is damaged"), 1, "error: file.fits is damaged"),
        (KeyboardInterrupt(), 130, "interrupted: what is finished is kept; go on with --resume"),
        (OSError(28, "No space left on device", "dataset/x"), 1, "error: No space left on device: dataset/x"),
        (MemoryError(), 1, "error: out of memory: use fewer or smaller images"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(capsys, error, code, line):
    with pytest.raises(SystemExit) as caught, exit_codes():
        raise error
    assert caught.value.code == code
    assert capsys.readouterr().err == line + "\n"


def test_our_own_bugs_keep_their_traceback():
    with pytest.raises(ZeroDivisionError), exit_codes():
        _ = 1 / 0


def test_sigterm_ends_like_an_interrupt():
    program = (
        "import os, signal, time\nfrom stronglens.execution import exit_codes\n"
        "with exit_codes():\n    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(10)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, timeout=60)
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr.startswith("interrupted")


def test_chunks_are_stored_as_they_are_computed():
    log = []
    run_chunks(
        lambda chunk: ([chunk] * 3, "labels"),
        lambda chunk, images, labels: log.append((chunk, images, labels)),
        [4, 1],
        lambda done: log.append(done),
    )
    assert log == [(4, [4, 4, 4], "labels"), 3, (1, [1, 1, 1], "labels"), 3]


def test_progress_writes_plain_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr("stronglens.execution.PLAIN_LINE_INTERVAL", 0.0)
    with Progress(10, "simulating", "images") as progress:
        progress.advance(5)
    assert capsys.readouterr().err.startswith("simulating: 5 of 10 images, ")
    with Progress(10, "simulating", "images", quiet=True) as progress:
        progress.advance(5)
    assert capsys.readouterr().err == ""


def test_descriptions():
    assert [describe_duration(s) for s in (3.21, 45, 200, 7500)] == ["3.2 s", "45 s", "3 min 20 s", "2 h 05 min"]
    assert [describe_bytes(b) for b in (12, 16_700_000, 4.2e13)] == ["12 bytes", "16.7 MB", "42 TB"]
