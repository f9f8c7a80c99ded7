#!/usr/bin/env python3
"""Train a network on ``dataset/``, draw figures, measure images with it. See ``--help``."""

import sys
from contextlib import contextmanager
from functools import partial

import params_and_cli as panel
from stronglens.execution import Progress, check_machines, describe_bytes, exit_codes, open_executor, require_folder
from stronglens.parameters import UsageError, from_manifest, parse


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
        check_machines(parameters.workers, parameters.scheduler)
        if (parameters.workers or parameters.scheduler) and not parameters.simulate:
            raise UsageError("--workers and --scheduler simulate training images: give them with --simulate")
        if parameters.simulate and parameters.predict:
            raise UsageError("--simulate is for training, --predict measures: give one of them")
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
    with count(number, "loading", parameters) as progress:
        dataset = load_dataset(parameters.dataset_dir, parameters.task, progress.advance)
    if not dataset.images.in_memory:
        say(f"Reading {describe_bytes(dataset.images.nbytes)} of images as they are needed: they do not fit in memory")
    truth = dataset.column_values(parameters.labels)

    from stronglens.regression.learning import train_network
    from stronglens.regression.report import warn_of_unseen, write_report
    from stronglens.training import remove_state

    for line in warn_of_unseen(dataset.manifest["parameters"], parameters.labels):
        print(f"warning: {line}", file=sys.stderr)
    with simulate(parameters, dataset, len(split["train"])) as fresh:
        history = train_network(
            parameters, dataset, split, truth, fresh, lambda units, what: count(units, what, parameters), say
        )
    write_report(parameters, dataset, split, truth, history, say)
    remove_state(parameters.model_file)  # until here a killed run has nothing to train again
    say(f"Network: {parameters.model_file}")


@contextmanager
def simulate(parameters, dataset, number: int):
    """Start what simulates training images while the network trains; give None where stored ones are trained on."""
    if not parameters.simulate:
        yield None
        return
    from stronglens.regression.chunks import describe_environment
    from stronglens.regression.fresh import FreshLenses

    made_with = from_manifest(panel.SimulationParameters, dataset.manifest["parameters"], panel.OVERRIDES)
    workers = 0 if parameters.scheduler else max(1, parameters.workers)  # JAX and TensorFlow: a process each
    describe = partial(describe_environment, panel.PROGRAM_VERSION)
    with open_executor(workers, parameters.scheduler, describe) as executor:
        yield FreshLenses(made_with, dataset.manifest["number"], number, parameters.labels, executor)


def count(units: int, what: str, parameters) -> Progress:
    """Return a progress bar over images."""
    return Progress(units, what, "images", parameters.quiet)


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
