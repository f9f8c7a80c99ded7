"""Training plan of the regression task."""

from collections.abc import Mapping

from stronglens.dataset import read_manifest, split_indices
from stronglens.execution import Console
from stronglens.learning.plan import TrainingPlan, find_partner_columns, load_training_set, require_isotropy
from stronglens.lens_models import LENS_MODELS
from stronglens.parameters import Column, RunError, labels_table
from stronglens.regression.separated import separate_dataset
from stronglens.sampling import Stream, generator


def plan_training(parameters, console: Console, rebuild) -> TrainingPlan:
    """Load the dataset, select labels and split the images at random; warn of labels that no network can learn.

    Parameters
    ----------
    parameters : RegressionTraining
    console : Console
    rebuild : callable
        Converts the parameters in a manifest to simulation parameters.

    Returns
    -------
    TrainingPlan

    Raises
    ------
    RunError
        When there is no complete dataset of this task.
    UsageError
        When the dataset lacks a label or has too few images, or augmentation does not suit it.
    """
    dataset, made_with = load_training_set(parameters, console, rebuild)
    if parameters.separate:
        dataset = separate_dataset(dataset, parameters.separate, console)
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
    """Return the table of possible labels of the dataset, or of a default dataset if there is none.

    Parameters
    ----------
    parameters : RegressionTraining
    rebuild : callable
        Converts the parameters in a manifest to simulation parameters.
    """
    from stronglens.regression.simulator import make_simulator

    try:
        manifest = read_manifest(parameters.dataset_dir, parameters.task)
        columns = [Column.from_dict(item) for item in manifest["columns"]]
        return labels_table(columns, f"Possible labels of the dataset in {parameters.dataset_dir}:")
    except RunError:
        columns = make_simulator(rebuild({"task": parameters.task})).columns.values()
        return labels_table(columns, "Possible labels of a default dataset (there is no dataset yet):")


def warn_of_unseen(made_with: dict, labels) -> list[str]:
    """Return a warning for each label on which the images do not depend.

    Parameters
    ----------
    made_with : dict
        Parameters in the manifest of the dataset.
    labels : sequence of str
    """
    unseen = find_unseen(made_with)
    return [
        f"the dataset was simulated with {unseen[label]}: its images do not depend on {label}, so that no network can "
        "learn it"
        for label in labels
        if label in unseen
    ]


def find_unseen(made_with: Mapping) -> dict[str, str]:
    """Return the labels on which simulated images do not depend, each with the flag that causes this.

    Parameters
    ----------
    made_with : mapping
        Parameters in the manifest of the dataset.
    """
    unseen: dict[str, str] = {}
    if made_with.get("redshift-effects") == "none":
        unseen |= dict.fromkeys(("src-redshift", "lens-redshift"), "--redshift-effects none")
    model = LENS_MODELS.get(made_with.get("lens-model", ""))
    if made_with.get("lens-light") == "off" and model and not model.mass_follows_light:
        light = [f"lens-{name}" for name in ("intensity", "magnitude", "effect", "sersic")]
        unseen |= dict.fromkeys((*light, "light-ellip-x", "light-ellip-y"), "--lens-light off")
    return unseen
