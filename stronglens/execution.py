"""Running work: progress, interruption, exit codes."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path

from stronglens.parameters import RunError, StronglensError

PLAIN_LINE_INTERVAL = 10.0
"""Seconds between progress lines where standard error is not a terminal."""


class Progress:
    """Progress of long work: a bar in a terminal, a line now and then elsewhere, nothing when quiet.

    Parameters
    ----------
    total : int, units of work
    what : str, shown before the bar
    unit : str, plural, such as ``images``
    quiet : bool
    """

    def __init__(self, total: int, what: str, unit: str, quiet: bool = False):
        self.total, self.what, self.unit, self.quiet = total, what, unit, quiet
        self.done = 0
        self._bar = None
        self._start = self._last_line = time.monotonic()

    def __enter__(self):
        if not self.quiet and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self.total, desc=self.what, unit=f" {self.unit}", leave=False, smoothing=0.1)
        return self

    def __exit__(self, *exception):
        if self._bar is not None:
            self._bar.close()

    def advance(self, units: int = 1) -> None:
        """Report ``units`` more of the work as done."""
        self.done += units
        if self._bar is not None:
            self._bar.update(units)
        elif not self.quiet and time.monotonic() - self._last_line >= PLAIN_LINE_INTERVAL:
            self._last_line = time.monotonic()
            elapsed = self._last_line - self._start
            left = elapsed / self.done * (self.total - self.done)
            print(
                f"{self.what}: {self.done:,} of {self.total:,} {self.unit}, {describe_duration(left)} left",
                file=sys.stderr,
                flush=True,
            )


def run_chunks(
    compute: Callable[[int], tuple], store: Callable[..., None], chunks: Iterable[int], advance: Callable[[int], None]
) -> None:
    """Compute chunks of work and store each as soon as it is done.

    Parameters
    ----------
    compute : chunk number -> (images, ...), what ``store`` takes after the chunk's number
    store : called with the chunk's number and what was computed
    chunks : the chunks' numbers
    advance : called with the number of images done
    """
    for chunk in chunks:
        result = compute(chunk)
        store(chunk, *result)
        advance(len(result[0]))


def check_disk(folder: str | Path, size: float) -> None:
    """Refuse to start what will not fit.

    Raises
    ------
    RunError
        When the file system of ``folder`` has less than ``size`` bytes free.
    """
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < size:
        raise RunError(f"{folder} has {describe_bytes(free)} free, the dataset needs {describe_bytes(size)}")


def require_folder(folder: str | Path, flag: str) -> None:
    """Make a folder that results will go to, before the work that makes them.

    Raises
    ------
    RunError
        When it cannot be made or written to: names the flag.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise RunError(f"{flag} {folder} is a file, not a folder") from None
    except OSError as error:
        raise RunError(f"{flag} {folder}: {error.strerror or error}") from None
    if not os.access(folder, os.W_OK):
        raise RunError(f"{flag} {folder}: cannot be written to")


def describe_duration(seconds: float) -> str:
    """Return a duration as people say it: ``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def describe_bytes(number: float) -> str:
    """Return a number of bytes as people say it: ``16.7 MB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} TB"


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
