import os
import signal
import subprocess
import sys

import pytest
from waiting import HANGS

from stronglens.execution import exit_codes
from stronglens.execution.commands import hold_signals
from stronglens.parameters import RunError, UsageError


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("--x: no"), 2, "error: --x: no"),
        (RunError("file.fits is damaged"), 1, "error: file.fits is damaged"),
        (KeyboardInterrupt(), 130, "interrupted: finished work is kept; continue with --resume"),
        (OSError(28, "No space left on device", "dataset/x"), 1, "error: No space left on device: dataset/x"),
        (MemoryError(), 1, "error: out of memory; use fewer or smaller images"),
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
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, timeout=HANGS
    )
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr.startswith("interrupted")


def test_signals_held_come_afterwards_and_not_to_children():
    log = []

    def interrupt_and_go_on():
        with hold_signals():
            signal.raise_signal(signal.SIGINT)
            program = "import signal; print(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))))"
            log.append(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True))

    with pytest.raises(KeyboardInterrupt):
        interrupt_and_go_on()
    assert log[0].stdout == f"{[int(signal.SIGINT), int(signal.SIGTERM)]}\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
