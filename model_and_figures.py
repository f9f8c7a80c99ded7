#!/usr/bin/env python3
"""Train a network on ``dataset/`` and draw figures; apply or explain a trained network. See ``--help``."""

import sys
from functools import partial
from importlib import import_module

import params_and_cli as panel
from stronglens.execution import Console, check_machines, exit_codes, open_executor, require_folder
from stronglens.explaining.request import wants_explanation
from stronglens.parameters import from_manifest, parse_command


def main(arguments: list[str] | None = None) -> int:
    """Run the command with arguments (default: those of the process); return 0, or exit with an error code."""
    with exit_codes():
        parameters = parse_command(
            panel.COMMANDS,
            sys.argv[1:] if arguments is None else arguments,
            program="model_and_figures.py",
            overrides=panel.OVERRIDES,
            examples=panel.EXAMPLES["model_and_figures.py"],
            version=panel.PROGRAM_VERSION,
            presets=panel.PRESETS,
            label_help=lambda parameters: load(parameters, "plan").list_labels(parameters, rebuild),
        )
        check_machines(parameters.workers, parameters.scheduler)
        explains = wants_explanation(parameters)
        applies = explains or bool(parameters.predict) or bool(getattr(parameters, "sample", 0))
        if applies:
            from stronglens.learning.bundled import choose_network

            parameters = choose_network(parameters, panel.PRESETS, Console(parameters.quiet))
        load(parameters, "request").check_request(parameters)
        require_folder(parameters.figures_dir, "--figures-dir")
        if applies:
            apply(parameters, *(("explaining", "explain") if explains else ("measuring", "measure")))
        else:
            train(parameters)
    return 0


def train(parameters) -> None:
    """Load the dataset, train a network, test it, and draw the figures."""
    console = Console(parameters.quiet)
    plan = load(parameters, "plan").plan_training(parameters, console, rebuild)

    from stronglens.learning.train import open_stream
    from stronglens.training import remove_state

    make = load(plan.made_with, "simulator").make_simulator if plan.made_with else None  # the dataset's own
    with open_stream(plan, make, panel.PROGRAM_VERSION) as stream:
        history = load(parameters, "train").train_network(plan, stream)
    load(parameters, "report").write_report(plan, history)
    remove_state(parameters.model_file)  # kept until here, so that a run killed in the report need not train again
    console.say(f"Network: {parameters.model_file}")


def apply(parameters, module: str, function: str) -> None:
    """Apply the trained network: measure telescope images, generate images, or explain what the network responds to."""
    from stronglens.training import load_network

    task = load(parameters, module)  # its network's layers must be known before the file is opened
    network, record = load_network(parameters.model_file)
    elsewhere = partial(open_executor, 1)  # PyAutoLens's JAX needs a process without TensorFlow
    getattr(task, function)(parameters, network, record, rebuild, elsewhere)


def rebuild(entries):
    """Return the simulation parameters that a manifest or a network's record contains."""
    simulations = panel.COMMANDS["generate_data.py"]
    cls = simulations.get(entries.get("task")) or next(iter(simulations.values()))
    return from_manifest(cls, entries, panel.OVERRIDES)


def load(parameters, name: str):
    """Return a module of the task. All tasks have modules of the same names (docs/architecture.md)."""
    return import_module(f"stronglens.{parameters.task}.{name}")


if __name__ == "__main__":
    sys.exit(main())
