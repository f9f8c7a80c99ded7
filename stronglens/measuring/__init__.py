"""Apply trained networks to telescope images: the steps that all tasks share.

Tasks decide what their networks predict, and what the predictions are worth.
"""

from stronglens.measuring.files import measure_files, stack_images
from stronglens.measuring.images import ImageFile, list_images
from stronglens.measuring.output import refuse, write_measurements
from stronglens.measuring.reading import ImageReader
from stronglens.measuring.request import check_request
from stronglens.measuring.results import MAX_DETAILED, Measurement, Prediction, PreparedImage, Results
from stronglens.measuring.training_images import TrainingImages, damaged_record, read_training_images

__all__ = [
    "MAX_DETAILED",
    "ImageFile",
    "ImageReader",
    "Measurement",
    "Prediction",
    "PreparedImage",
    "Results",
    "TrainingImages",
    "check_request",
    "damaged_record",
    "list_images",
    "measure_files",
    "read_training_images",
    "refuse",
    "stack_images",
    "write_measurements",
]
