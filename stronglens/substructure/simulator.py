"""Simulator of the substructure task: lenses with smooth dark matter, with subhalos, or with a vortex."""


def make_simulator(parameters, threads: int | None = None):
    """Return the simulator for simulation parameters (see :mod:`stronglens.simulation.chunks`)."""
    from stronglens.substructure.scene import SubstructureSimulator

    return SubstructureSimulator(parameters, threads)
