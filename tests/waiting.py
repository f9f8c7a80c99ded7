"""Waiting for other processes. What they do decides a test; the clock only ends one that hangs."""

import time

HANGS = 600
"""Seconds. No process of the tests takes a tenth as long, on the busiest machine."""


def wait_until(condition, process):
    """Wait until a condition holds, and expect the process that brings it about to be alive until then."""
    end = time.monotonic() + HANGS
    while not condition():
        assert process.poll() is None, "the process ended before it did what is waited for"
        assert time.monotonic() < end, "the process hangs"
        time.sleep(0.02)
