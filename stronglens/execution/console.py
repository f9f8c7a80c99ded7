"""Output of a command."""

import sys
from dataclasses import dataclass

from stronglens.execution.progress import Progress


@dataclass(frozen=True)
class Console:
    """Print lines, warnings and progress.

    Attributes
    ----------
    quiet : bool
        Print nothing.
    """

    quiet: bool = False

    def say(self, line: str = "") -> None:
        """Print a line on standard output."""
        if not self.quiet:
            print(line)

    def warn(self, line: str) -> None:
        """Print a line on standard error, with ``warning:`` before it."""
        if not self.quiet:
            print(f"warning: {line}", file=sys.stderr, flush=True)

    def progress(self, units: int, what: str, unit: str = "images", at_once: int = 1) -> Progress:
        """Return a context that shows the progress of work; the arguments are those of `Progress`."""
        return Progress(units, what, unit, self.quiet, at_once)
