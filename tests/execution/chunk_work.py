"""Work for tests of execution, which other processes import."""

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from stronglens.execution import available_threads
from stronglens.parameters import RunError

IMAGES = 3
"""In a chunk."""


def describe():
    """Versions, as an environment variable would have them."""
    return {"python": "3.12.1", "jax": os.environ.get("TEST_JAX", "0.11.2")}


@dataclass(frozen=True)
class Write:
    """Write a file a chunk, and leave a trace of each attempt."""

    folder: Path

    def __call__(self, chunk):
        (self.folder / f"attempt-{chunk}-{time.monotonic_ns()}").write_text(f"{os.getpid()} {available_threads()}")
        self.compute(chunk)
        (self.folder / f"chunk-{chunk}").write_text(f"{chunk * chunk}")
        return IMAGES

    def compute(self, chunk):
        pass

    def __reduce__(self):
        return type(self), (self.folder,)


class Sleep(Write):
    def compute(self, chunk):
        time.sleep(0.2)


class SleepLong(Write):
    def compute(self, chunk):
        time.sleep(60)


class KillOnce(Write):
    """Chunk 5 kills its process, the first time."""

    def compute(self, chunk):
        if chunk == 5 and attempts(self.folder)[chunk] == 1:
            os.kill(os.getpid(), signal.SIGKILL)


class Kill(Write):
    """Chunk 5 kills its process, every time."""

    def compute(self, chunk):
        if chunk == 5:
            os.kill(os.getpid(), signal.SIGKILL)


class Fail(Write):
    def compute(self, chunk):
        if chunk == 5:
            raise RunError("no image accepted in 2 tries")


class Break(Write):
    def compute(self, chunk):
        if chunk == 5:
            _ = 1 / 0


class FillDisk(Write):
    def compute(self, chunk):
        if chunk == 5:
            raise OSError(28, "No space left on device", str(self.folder / "chunk-5"))


def stored(folder):
    return {int(path.name.split("-")[1]): path.read_text() for path in folder.glob("chunk-*")}


def attempts(folder):
    """How often each chunk was begun."""
    return Counter(int(path.name.split("-")[1]) for path in folder.glob("attempt-*"))


def processes(folder):
    """The processes that began a chunk."""
    return {int(path.read_text().split()[0]) for path in folder.glob("attempt-*")}
