"""What the regression task simulates: lenses as they are, nothing added."""


def make_simulator(parameters, threads: int | None = None):
    """Return the simulator of some parameters (see :mod:`stronglens.simulation.chunks`)."""
    from stronglens.simulation.lens_simulator import LensSimulator

    return LensSimulator(parameters, threads)
