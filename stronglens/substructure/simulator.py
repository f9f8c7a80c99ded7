"""What the substructure task simulates: lenses whose dark matter is smooth, clumpy, or holds a vortex."""


def make_simulator(parameters, threads: int | None = None):
    """Return the simulator of some parameters (see :mod:`stronglens.simulation.chunks`)."""
    from stronglens.substructure.scene import SubstructureSimulator

    return SubstructureSimulator(parameters, threads)
