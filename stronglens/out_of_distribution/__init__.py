"""Out-of-distribution detection: whether an image resembles the training set of a network. For all tasks."""

from stronglens.out_of_distribution.comparison import TrainingSetComparison, describe_training_set
from stronglens.out_of_distribution.features import ImageFeatures, build_feature_extractor
from stronglens.out_of_distribution.score import FAR, Likeness, OutOfDistribution

__all__ = [
    "FAR",
    "ImageFeatures",
    "Likeness",
    "OutOfDistribution",
    "TrainingSetComparison",
    "build_feature_extractor",
    "describe_training_set",
]
