"""Stub of the simulator of the finding task."""


def make_simulator(parameters, threads: int | None = None):
    """Return the simulator for simulation parameters."""
    raise NotImplementedError
