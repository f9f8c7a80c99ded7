"""Progress of long work."""

import sys
import time

PLAIN_LINE_INTERVAL = 10.0
"""Seconds between progress lines if standard error is not a terminal."""


class Progress:
    """Progress of long work: a bar in a terminal, otherwise a line from time to time; nothing with ``quiet``.

    Parameters
    ----------
    total : int
        Number of units of work.
    what : str
        Text before the bar.
    unit : str
        Name of a unit in the plural, such as ``images``.
    quiet : bool
    at_once : int
        Number of threads or processes that work at the same time. The first ``at_once`` reports are left out of the
        rate, since each thread or process first starts up and compiles.
    """

    def __init__(self, total: int, what: str, unit: str, quiet: bool = False, at_once: int = 1):
        self.total, self.what, self.unit, self.quiet = total, what, unit, quiet
        self.done = 0
        self._bar = None
        self._warm_up = at_once
        self._warm = self._latest = (0.0, 0)  # time and units: after the start-up, and now
        self._last_line = time.monotonic()

    def __enter__(self):
        if not self.quiet and sys.stderr.isatty():
            from tqdm import tqdm

            layout = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
            self._bar = tqdm(total=self.total, desc=self.what, leave=False, bar_format=layout)
        return self

    def __exit__(self, *exception):
        if self._bar is not None:
            self._bar.close()

    def advance(self, units: int = 1) -> None:
        """Report ``units`` more of the work as done."""
        self.done += units
        now = time.monotonic()
        self._latest = now, self.done
        if self._warm_up > 0:
            self._warm_up -= 1
            self._warm = self._latest
        left = f"{describe_duration((self.total - self.done) / self.rate)} left" if self.rate else ""
        if self._bar is not None:
            self._bar.set_postfix_str(f"{left}, {self.rate:,.0f} {self.unit}/s" if left else "", refresh=False)
            self._bar.update(units)
        elif not self.quiet and now - self._last_line >= PLAIN_LINE_INTERVAL:
            self._last_line = now
            words = [f"{self.what}: {self.done:,} of {self.total:,} {self.unit}", left]
            print(", ".join(filter(None, words)), file=sys.stderr, flush=True)

    @property
    def rate(self) -> float | None:
        """Units per second after the start-up; None if no unit is done since then."""
        seconds, units = (end - start for start, end in zip(self._warm, self._latest, strict=True))
        return units / seconds if units and seconds > 0 and not self._warm_up else None


def describe_duration(seconds: float) -> str:
    """Return a duration in seconds as text: ``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
