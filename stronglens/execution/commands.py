"""How a command ends: one line and an exit code."""

import os
import signal
import sys
import threading
from contextlib import contextmanager
from multiprocessing import resource_tracker

from stronglens.parameters import StronglensError

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def exit_codes():
    """Turn what can go wrong into one line on standard error and an exit code.

    2 for usage, 1 for what goes wrong at run time, 130 on Ctrl-C, 143 on SIGTERM. A bug of ours keeps its traceback.
    """
    with _terminate_like_interrupt():
        try:
            yield
        except StronglensError as error:
            _stop(error.exit_code, f"error: {error}")
        except KeyboardInterrupt as interrupt:
            code = interrupt.args[0] if interrupt.args else 130
            _stop(code, "interrupted: what is finished is kept; go on with --resume")
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            _stop(1, f"error: {error.strerror or error}{where}")
        except MemoryError:
            _stop(1, "error: out of memory: use fewer or smaller images")


@contextmanager
def hold_signals():
    """Hold back Ctrl-C and SIGTERM: they come after the block, and never to threads and processes started in it.

    A terminal sends Ctrl-C to each of its processes: those started here are ended by this one, and without a word.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    caught: list[int] = []
    resource_tracker.ensure_running()  # which would unblock signals if it started in the block
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)  # inherited by what is started
    handlers = {number: signal.signal(number, lambda number, _: caught.append(number)) for number in _INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for caught_number in caught:  # by a thread that was there before
            signal.raise_signal(caught_number)


@contextmanager
def _terminate_like_interrupt():
    def interrupt(*_):
        raise KeyboardInterrupt(143)

    try:
        previous = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _stop(code: int, line: str) -> None:
    print("\r" * sys.stderr.isatty() + line, file=sys.stderr, flush=True)
    sys.exit(code)
