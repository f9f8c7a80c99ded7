#!/usr/bin/env python3
"""Train a network on ``dataset/``, draw figures, measure images with it. See ``--help``."""

import sys

import params_and_cli as panel
from stronglens.execution import Progress, exit_codes, require_folder
from stronglens.parameters import parse


def main(arguments: list[str] | None = None) -> int:
    """Run the command with some arguments (those of the process by default); return 0, or exit with an error code."""
    with exit_codes():
        parameters = parse(
            panel.TrainingParameters,
            sys.argv[1:] if arguments is None else arguments,
            program="model_and_figures.py",
            overrides=panel.OVERRIDES,
            examples=panel.EXAMPLES["model_and_figures.py"],
            version=panel.PROGRAM_VERSION,
            label_help=list_labels,
        )
        require_folder(parameters.figures_dir, "--figures-dir")
        if parameters.predict:
            measure(parameters)
        else:
            learn(parameters)
    return 0


def learn(parameters) -> None:
    """Load the dataset, train, test, and draw the figures."""
    from stronglens.dataset import load_dataset, read_manifest, split_indices
    from stronglens.plotting import check_cmap
    from stronglens.sampling import Stream, generator

    say = (lambda line: None) if parameters.quiet else print
    check_cmap(parameters.cmap)
    number = read_manifest(parameters.dataset_dir, parameters.task)["number"]
    split = split_indices(
        number, parameters.valid_split, parameters.test_split, generator(parameters.seed, Stream.SPLIT)
    )
    with Progress(number, "loading", "images", parameters.quiet) as progress:
        dataset = load_dataset(parameters.dataset_dir, parameters.task, progress.advance)
    truth = dataset.column_values(parameters.labels)

    from stronglens.regression.network import build_network
    from stronglens.regression.report import warn_of_unseen, write_report
    from stronglens.scaling import fit_image_scaling, fit_label_scaling
    from stronglens.training import describe_device, fit, remove_state

    for line in warn_of_unseen(dataset.manifest["parameters"], parameters.labels):
        print(f"warning: {line}", file=sys.stderr)
    images, train, valid = dataset.images, split["train"], split["valid"]
    network = build_network(
        images.shape[1:],
        fit_image_scaling(images[train]),
        fit_label_scaling(truth[train], parameters.labels),
        parameters.seed,
    )
    say(f"Network: {network.count_params():,} parameters; labels {', '.join(parameters.labels)}")
    say(f"Images: {len(train):,} for training, {len(valid):,} for validation, {len(split['test']):,} for the test")
    device = describe_device()
    say(device[0].upper() + device[1:])
    record = dataset.describe(parameters.labels) | {"split": {name: rows.tolist() for name, rows in split.items()}}
    history = fit(
        network,
        (images[train], truth[train]),
        (images[valid], truth[valid]),
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
    write_report(parameters, dataset, split, truth, history, say)
    remove_state(parameters.model_file)  # until here a killed run has nothing to train again
    say(f"Network: {parameters.model_file}")


def measure(parameters) -> None:
    """Measure telescope images with the trained network."""
    from stronglens.regression.measuring import measure_files, write_measurements
    from stronglens.training import load_network

    network, record = load_network(parameters.model_file)
    write_measurements(parameters, record, *measure_files(parameters, network, record))


def list_labels(parameters) -> str:
    """Return the table of labels that can be learned from the dataset, or from a default one where there is none."""
    from stronglens.dataset import read_manifest
    from stronglens.parameters import Column, RunError, labels_table

    try:
        manifest = read_manifest(parameters.dataset_dir, parameters.task)
        columns = [Column.from_dict(item) for item in manifest["columns"]]
        return labels_table(columns, f"Labels that can be learned from the dataset in {parameters.dataset_dir}:")
    except RunError:
        from stronglens.regression.scene import LensSimulator

        columns = LensSimulator(panel.SimulationParameters.of(panel.OVERRIDES)).columns.values()
        return labels_table(columns, "Labels that can be learned from a default dataset (there is none yet):")


if __name__ == "__main__":
    sys.exit(main())
