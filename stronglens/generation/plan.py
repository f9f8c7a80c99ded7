"""Training plan of the generation task: the images of a dataset of any task."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from stronglens.dataset import Dataset, read_manifest, split_indices
from stronglens.execution import Console
from stronglens.generation.rows import plan_rows
from stronglens.learning.plan import TrainingPlan, load_training_set, require_isotropy
from stronglens.parameters import UsageError
from stronglens.sampling import Stream, generator


def plan_training(parameters, console: Console, rebuild) -> TrainingPlan:
    """Load a dataset of any task and split its images at random.

    Parameters
    ----------
    parameters : GenerationTraining
    console : Console
    rebuild : callable
        Converts the parameters in a manifest to simulation parameters.

    Returns
    -------
    TrainingPlan
        Without labels.

    Raises
    ------
    RunError
        When there is no complete dataset.
    UsageError
        When the dataset has too few images, or augmentation does not suit it.
    """
    if parameters.spectra or parameters.example:
        return plan_rows(parameters, console)
    if parameters.network == "gan" and parameters.gan_space == "latents":
        parameters = replace(parameters, network="vae", sampler="gan")
    dataset, made_with = load_training_set(parameters, console, rebuild, any_task=True)
    if parameters.network in ("gan", "cyclegan") and len(dataset.images.shape) == 4:
        raise UsageError(f"--network={parameters.network} takes images of one band; these have several")
    if parameters.target_dir:
        check_target(read_manifest(parameters.target_dir), dataset)
    if parameters.augment == "on":
        require_isotropy(dataset.columns.values())
    asked = [*parameters.condition, *([parameters.few_labels] if parameters.few_labels else [])]
    dataset.column_values(asked)  # refuses labels that the dataset does not have
    number = len(dataset.images)
    random = generator(parameters.seed, Stream.SPLIT)
    split = split_indices(number, parameters.valid_split, parameters.test_split, random, test=dataset.test_images)
    return TrainingPlan(parameters, dataset, split, (), np.empty((number, 0)), made_with, console)


def check_target(manifest: Mapping, dataset: Dataset) -> None:
    """Check that images of the target can be translated to those of a dataset.

    Raises
    ------
    UsageError
        If the images have other sizes, or pixels of another scale.
    """
    shape, scale = list(dataset.images.shape[1:]), dataset.manifest["telescope"]["pixel-scale"]
    found = manifest["image-shape"], manifest["telescope"]["pixel-scale"]
    if list(found[0]) != shape or found[1] != scale:
        raise UsageError(
            f"images of both datasets need equal sides and pixels: {shape} of {scale} arcsec, and {list(found[0])} of "
            f"{found[1]} arcsec in --target-dir"
        )
