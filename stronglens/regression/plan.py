"""What the regression task learns from a dataset."""

from collections.abc import Mapping

from stronglens.dataset import read_manifest, split_indices
from stronglens.execution import Console
from stronglens.learning.plan import TrainingPlan, find_partner_columns, load_training_set, require_isotropy
from stronglens.lens_models import LENS_MODELS
from stronglens.parameters import Column, RunError, labels_table
from stronglens.sampling import Stream, generator


def plan_training(parameters, console: Console, rebuild) -> TrainingPlan:
    """Load the dataset, choose labels and split the images at random; warn of labels that cannot be learned.

    Parameters
    ----------
    parameters : RegressionTraining
    console : Console
    rebuild : callable, makes the parameters of a simulation of those in a manifest

    Raises
    ------
    RunError
        When there is no complete dataset of this task.
    UsageError
        When the dataset lacks a label, or has too few images; when its images cannot be turned.
    """
    dataset, made_with = load_training_set(parameters, console, rebuild)
    truth = dataset.column_values(parameters.labels)
    split = split_indices(
        dataset.manifest["number"],
        parameters.valid_split,
        parameters.test_split,
        generator(parameters.seed, Stream.SPLIT),
    )
    for line in warn_of_unseen(dataset.manifest["parameters"], parameters.labels):
        console.warn(line)
    partner_columns: tuple[str, ...] = ()
    if parameters.augment == "on":
        require_isotropy(dataset.columns.values())
        partner_columns = find_partner_columns(dataset.columns, parameters.labels)
    return TrainingPlan(parameters, dataset, split, parameters.labels, truth, made_with, console, partner_columns)


def list_labels(parameters, rebuild) -> str:
    """Return the table of labels that can be learned from the dataset, or from a default one where there is none.

    Parameters
    ----------
    parameters : RegressionTraining
    rebuild : callable, makes the parameters of a simulation of those in a manifest
    """
    from stronglens.regression.simulator import make_simulator

    try:
        manifest = read_manifest(parameters.dataset_dir, parameters.task)
        columns = [Column.from_dict(item) for item in manifest["columns"]]
        return labels_table(columns, f"Labels that can be learned from the dataset in {parameters.dataset_dir}:")
    except RunError:
        columns = make_simulator(rebuild({"task": parameters.task})).columns.values()
        return labels_table(columns, "Labels that can be learned from a default dataset (there is none yet):")


def warn_of_unseen(made_with: dict, labels) -> list[str]:
    """Return a line for each label that leaves no trace in the images.

    Parameters
    ----------
    made_with : dict, the parameters in the dataset's manifest
    labels : sequence of str
    """
    unseen = find_unseen(made_with)
    return [
        f"the dataset was simulated with {unseen[label]}, so that {label} leaves no trace in its images and cannot be "
        "learned from them"
        for label in labels
        if label in unseen
    ]


def find_unseen(made_with: Mapping) -> dict[str, str]:
    """Return the labels that leave no trace in simulated images, each with the flag that takes it away.

    Parameters
    ----------
    made_with : mapping, the parameters in the dataset's manifest
    """
    unseen: dict[str, str] = {}
    if made_with.get("redshift-effects") == "none":
        unseen |= dict.fromkeys(("src-redshift", "lens-redshift"), "--redshift-effects none")
    model = LENS_MODELS.get(made_with.get("lens-model", ""))
    if made_with.get("lens-light") == "off" and model and not model.mass_follows_light:
        light = [f"lens-{name}" for name in ("intensity", "magnitude", "effect", "sersic")]
        unseen |= dict.fromkeys((*light, "light-ellip-x", "light-ellip-y"), "--lens-light off")
    return unseen
