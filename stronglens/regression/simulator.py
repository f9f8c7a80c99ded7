"""Simulator of the regression task: smooth lenses."""


def make_simulator(parameters, threads: int | None = None):
    """Return the simulator for simulation parameters (see :mod:`stronglens.simulation.chunks`)."""
    from stronglens.simulation.lens_simulator import LensSimulator

    return LensSimulator(parameters, threads)
