"""Separate telescope images."""


def measure(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Separate files with a trained network."""
    raise NotImplementedError
