"""Simulator of the finding task: images of lenses and of galaxies that look like lenses."""


def make_simulator(parameters, threads: int | None = None):
    """Return the simulator of some parameters (see :mod:`stronglens.simulation.chunks`)."""
    from stronglens.finding.scene import FindingSimulator

    return FindingSimulator(parameters, threads)
