"""Report of the reconstruction task."""


def write_report(plan, history) -> None:
    """Placeholder."""
