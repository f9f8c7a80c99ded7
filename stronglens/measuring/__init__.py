"""Apply trained networks to telescope images: steps shared by all tasks. What the numbers mean, a task says."""

from stronglens.measuring.files import (
    MOST_LENSES,
    Measurement,
    Prediction,
    Results,
    check_network,
    check_request,
    measure_files,
    refuse,
    write_measurements,
)
from stronglens.measuring.images import list_images

__all__ = [
    "MOST_LENSES",
    "Measurement",
    "Prediction",
    "Results",
    "check_network",
    "check_request",
    "list_images",
    "measure_files",
    "refuse",
    "write_measurements",
]
