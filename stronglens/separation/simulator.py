"""Simulator of the separation task: images, and the light and mass that they are made of."""


def make_simulator(parameters, threads: int | None = None):
    """Return the simulator of some parameters (see :mod:`stronglens.simulation.chunks`)."""
    from stronglens.separation.scene import SeparationSimulator

    return SeparationSimulator(parameters, threads)
