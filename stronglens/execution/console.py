"""What a command prints."""

import sys
from dataclasses import dataclass

from stronglens.execution.progress import Progress


@dataclass(frozen=True)
class Console:
    """Print lines, warnings and progress; with ``quiet`` none of them.

    Attributes
    ----------
    quiet : bool
    """

    quiet: bool = False

    def say(self, line: str = "") -> None:
        """Print a line on standard output."""
        if not self.quiet:
            print(line)

    def warn(self, line: str) -> None:
        """Print a line that begins with ``warning:`` on standard error."""
        if not self.quiet:
            print(f"warning: {line}", file=sys.stderr)

    def progress(self, units: int, what: str, unit: str = "images", at_once: int = 1) -> Progress:
        """Return the progress of some work, a context manager (see `Progress`)."""
        return Progress(units, what, unit, self.quiet, at_once)
