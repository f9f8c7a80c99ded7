"""How far long work has come."""

import sys
import time

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
