"""Simulator of the reconstruction task: images of lensed galaxies, and the galaxies themselves."""


def make_simulator(parameters, threads: int | None = None):
    """Return the simulator of some parameters (see :mod:`stronglens.simulation.chunks`)."""
    from stronglens.reconstruction.scene import ReconstructionSimulator

    return ReconstructionSimulator(parameters, threads)
