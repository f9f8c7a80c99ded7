"""The end of a command: one line and an exit code."""

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
    """Context that turns errors into one line on standard error and an exit code.

    The exit code is 2 for a usage error, 1 for an error at run time, 130 for Ctrl-C, 143 for SIGTERM. Other exceptions
    (bugs) keep their traceback.

    Raises
    ------
    SystemExit
    """
    with _terminate_like_interrupt():
        try:
            yield
        except StronglensError as error:
            _stop(error.exit_code, f"error: {error}")
        except KeyboardInterrupt as interrupt:
            code = interrupt.args[0] if interrupt.args else 130
            _stop(code, "interrupted: finished work is kept; continue with --resume")
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            _stop(1, f"error: {error.strerror or error}{where}")
        except MemoryError:
            _stop(1, "error: out of memory; use fewer or smaller images")


@contextmanager
def hold_signals():
    """Context that delays Ctrl-C and SIGTERM to its end. Threads and processes started in it never receive them.

    A terminal sends Ctrl-C to all its processes. The processes started here are stopped by this process instead, so
    that they print nothing.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    caught: list[int] = []
    resource_tracker.ensure_running()  # start it now, since its start in the block would unblock signals
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)  # new threads and processes inherit the mask
    handlers = {number: signal.signal(number, lambda number, _: caught.append(number)) for number in _INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for caught_number in caught:  # received by other threads
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
