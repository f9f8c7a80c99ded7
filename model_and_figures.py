#!/usr/bin/env python3
"""Train a network on ``dataset/``, draw figures, measure images with it. See ``--help``."""

import sys
from contextlib import contextmanager
from functools import partial
from importlib import import_module

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
            presets=panel.PRESETS,
            commands=panel.COMMANDS,
            label_help=list_labels,
        )
        check_machines(parameters.workers, parameters.scheduler)
        from stronglens.learning.plan import check_together

        check_together(parameters)
        require_folder(parameters.figures_dir, "--figures-dir")
        (measure if parameters.predict else learn)(parameters)
    return 0


def learn(parameters) -> None:
    """Load the dataset, train, test, and draw the figures."""
    from stronglens.dataset import load_dataset, read_manifest
    from stronglens.plotting import check_cmap

    say = (lambda line: None) if parameters.quiet else print
    check_cmap(parameters.cmap)
    manifest = read_manifest(parameters.dataset_dir, parameters.task)
    made_with = None  # by others
    if "origin" not in manifest:
        made_with = from_manifest(panel.SimulationParameters, manifest["parameters"], panel.OVERRIDES)
    elif parameters.simulate:
        raise UsageError("--simulate needs a dataset that generate_data.py simulated: this one was converted")
    with count(manifest["number"], "loading", parameters) as progress:
        dataset = load_dataset(parameters.dataset_dir, parameters.task, progress.advance)
    if not dataset.images.in_memory:
        say(f"Reading {describe_bytes(dataset.images.nbytes)} of images as they are needed: they do not fit in memory")
    plan = room(parameters, "plan").plan_training(
        parameters, dataset, made_with, lambda units, what: count(units, what, parameters), say
    )

    from stronglens.training import remove_state

    with simulate(plan) as fresh:
        history = room(parameters, "train").train_network(plan, fresh)
    room(parameters, "report").write_report(plan, history)
    remove_state(parameters.model_file)  # until here a killed run has nothing to train again
    say(f"Network: {parameters.model_file}")


@contextmanager
def simulate(plan):
    """Start what simulates training images while the network trains; give None where stored ones are trained on."""
    parameters = plan.parameters
    if not parameters.simulate:
        yield None
        return
    from stronglens.simulation.chunks import describe_environment
    from stronglens.simulation.stream import SimulationStream

    make = room(parameters, "simulator").make_simulator
    stored, number = plan.dataset.manifest["number"], len(plan.split["train"])
    workers = 0 if parameters.scheduler else max(1, parameters.workers)  # JAX and TensorFlow: a process each
    describe = partial(describe_environment, panel.PROGRAM_VERSION)
    with open_executor(workers, parameters.scheduler, describe) as executor:
        yield SimulationStream(make, plan.made_with, stored, number, plan.label_columns, executor)


def room(parameters, name: str):
    """Return a module of the task: all tasks have the same furniture."""
    return import_module(f"stronglens.{parameters.task}.{name}")


def count(units: int, what: str, parameters) -> Progress:
    """Return a progress bar over images."""
    return Progress(units, what, "images", parameters.quiet)


def measure(parameters) -> None:
    """Measure telescope images with the trained network."""
    from stronglens.measuring import check_request

    check_request(parameters)
    from stronglens.training import load_network

    network, record = load_network(parameters.model_file)
    rebuild = partial(from_manifest, panel.SimulationParameters, overrides=panel.OVERRIDES)
    elsewhere = partial(open_executor, 1)  # a process of its own: PyAutoLens's JAX is not that of a network
    room(parameters, "measuring").measure(parameters, network, record, rebuild, elsewhere)


def list_labels(parameters) -> str:
    """Return the table of labels that can be learned from the dataset, or from a default one where there is none."""
    if parameters.task != "regression":
        raise UsageError(f"--labels means nothing with --task={parameters.task}: give --task=regression")
    from stronglens.dataset import read_manifest
    from stronglens.parameters import Column, RunError, labels_table

    try:
        manifest = read_manifest(parameters.dataset_dir, parameters.task)
        columns = [Column.from_dict(item) for item in manifest["columns"]]
        return labels_table(columns, f"Labels that can be learned from the dataset in {parameters.dataset_dir}:")
    except RunError:
        default = panel.SimulationParameters.of(panel.OVERRIDES)
        columns = room(parameters, "simulator").make_simulator(default).columns.values()
        return labels_table(columns, "Labels that can be learned from a default dataset (there is none yet):")


if __name__ == "__main__":
    sys.exit(main())
