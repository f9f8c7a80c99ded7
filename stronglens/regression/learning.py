"""A dataset, or endless simulations, to a trained network."""

from stronglens.regression.fresh import FreshLenses
from stronglens.regression.network import build_network
from stronglens.scaling import fit_image_scaling, fit_label_scaling
from stronglens.training import describe_device, fit


def train_network(
    parameters, dataset, split, truth, fresh: FreshLenses | None, progress, say
) -> dict[str, list[float]]:
    """Train the network on a dataset's training images, or on fresh ones in their place.

    Parameters
    ----------
    parameters : TrainingParameters
    dataset : Dataset
    split : dict of ``train``, ``valid``, ``test`` to indices
    truth : (N, L) labels of all images
    fresh : FreshLenses, optional
        What to train on instead: the stored images then serve for validation and test only.
    progress : callable, (units, what) -> context manager with ``advance``
    say : callable, prints a line

    Returns
    -------
    dict of lists, a value an epoch
    """
    train, valid = split["train"], split["valid"]
    if fresh is None:
        images, labels = dataset.images.subset(train), truth[train]
        learned_from = (images, labels)
    else:
        images, labels = fresh.first()
        learned_from = fresh
    with progress(len(images), "measuring the images") as measured:
        image_scaling = fit_image_scaling(images, measured.advance)
    network = build_network(
        images.shape[1:], image_scaling, fit_label_scaling(labels, parameters.labels), parameters.seed
    )
    say(f"Network: {network.count_params():,} parameters; labels {', '.join(parameters.labels)}")
    source = "simulated anew each epoch" if fresh else "for training"
    say(f"Images: {len(train):,} {source}, {len(valid):,} for validation, {len(split['test']):,} for the test")
    device = describe_device(parameters.batch_size)
    say(device[0].upper() + device[1:])
    record = dataset.describe(parameters.labels) | {"split": {name: rows.tolist() for name, rows in split.items()}}
    if fresh:
        record |= {"fresh": fresh.describe(), "split": record["split"] | {"train": []}}
    return fit(
        network,
        learned_from,
        (dataset.images.subset(valid), truth[valid]),
        label_names=parameters.labels,
        model_file=parameters.model_file,
        epochs=parameters.epochs,
        learning_rate=parameters.learning_rate,
        learning_schedule=parameters.learning_schedule,
        batch_size=parameters.batch_size,
        seed=parameters.seed,
        mixed_precision=parameters.mixed_precision,
        record=record,
        log_dir=parameters.figures_dir / "logs",
        resume=parameters.resume,
        keep_state=True,
        quiet=parameters.quiet,
    )
