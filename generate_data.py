#!/usr/bin/env python3
"""Simulate strong gravitational lenses and write them to ``dataset/``. See ``--help``."""

import sys
import time
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import params_and_cli as panel
from stronglens import execution
from stronglens.parameters import RunError, UsageError, parse_command, to_manifest


def main(arguments: list[str] | None = None) -> int:
    """Run the command with arguments (default: those of the process); return 0, or exit with an error code."""
    with execution.exit_codes():
        parameters = parse_command(
            panel.COMMANDS,
            sys.argv[1:] if arguments is None else arguments,
            program="generate_data.py",
            overrides=panel.OVERRIDES,
            examples=panel.EXAMPLES["generate_data.py"],
            version=panel.PROGRAM_VERSION,
            presets=panel.PRESETS,
        )
        execution.check_machines(parameters.workers, parameters.scheduler)
        generate(parameters)
    return 0


def generate(parameters) -> None:
    """Simulate the dataset that the parameters describe, or convert a dataset."""
    from stronglens.dataset import ChunkStore, DatasetWriter
    from stronglens.sampling import describe_prior
    from stronglens.simulation.chunks import describe_environment

    console = execution.Console(parameters.quiet)
    plan = plan_conversion(parameters) if parameters.convert_from else plan_simulation(parameters)
    console.say(plan.title)
    folder, columns = parameters.dataset_dir, plan.columns
    store = ChunkStore.of(folder, plan.manifest)
    if parameters.dry_run:
        return estimate(parameters, store.number, store.bytes_an_image(len(columns)), console)
    writer = DatasetWriter(folder, plan.manifest, force=parameters.force, resume=parameters.resume)
    if writer.is_complete:
        return console.say(f"The dataset in {folder}/ is already complete")
    missing = writer.missing_images
    estimate(parameters, missing, store.bytes_an_image(len(columns)), console)
    if missing < store.number:
        console.say(f"Resuming: {store.number - missing:,} images done, {missing:,} to do")
    describe = partial(describe_environment, panel.PROGRAM_VERSION)
    with (
        execution.open_executor(parameters.workers, parameters.scheduler, describe, console) as executor,
        writer,
        console.progress(missing, plan.verb, at_once=executor.threads) as progress,
    ):
        start = time.perf_counter()
        execution.run_chunks(plan.work(store), writer.missing_chunks, executor, progress.advance)
        manifest = writer.finish(columns, describe_prior)
        seconds = time.perf_counter() - start
    rate = f"; {progress.rate:,.0f} images/s after start-up" if progress.rate else ", start-up included"
    console.say(f"{missing:,} images in {execution.describe_duration(seconds)}{rate}")
    if not parameters.convert_from:
        rejected = ", ".join(f"{count:,} ({reason})" for reason, count in manifest["rejected"].items() if count)
        console.say(f"Rejected draws: {rejected or 'none'}")
    places = ", ".join(f"{array.place}/" for array in store.arrays.values())
    console.say(f"Dataset: {folder}/ ({places}, labels.csv, manifest.json)")


def plan_simulation(parameters):
    """Return the plan of a dataset that is to be simulated."""
    from stronglens.simulation.chunks import plan_simulation

    return plan_simulation(find_simulator(parameters), parameters, panel.PROGRAM_VERSION)


def plan_conversion(parameters):
    """Return the plan to convert a complete dataset to another format, or external images to a dataset."""
    from stronglens.dataset import holds_dataset, plan_conversion
    from stronglens.simulation.chunks import describe_environment

    origin, foreign, free = parameters.convert_from, None, ["task", "format"]
    if not holds_dataset(origin):
        readers = [task for task in panel.COMMANDS["generate_data.py"] if find_spec(f"stronglens.{task}.foreign")]
        if parameters.task not in readers:
            flags = " or ".join(f"--task={task}" for task in readers)
            raise RunError(f"{origin} contains no dataset; external images are read with {flags}")
        foreign = import_module(f"stronglens.{parameters.task}.foreign")
        free += foreign.FLAGS
    given = {name: getattr(parameters, name) for name in free}
    if to_manifest(parameters) != to_manifest(type(parameters).of(panel.OVERRIDES, **given)):
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in free[1:])
        raise UsageError(f"--convert-from does not simulate: give it only {flags}")
    if foreign:
        return foreign.plan_foreign(origin, parameters, describe_environment(panel.PROGRAM_VERSION))
    return plan_conversion(origin, parameters.dataset_dir, parameters.format)


def estimate(parameters, number: int, bytes_an_image: int, console) -> None:
    """Print the disk space and time that the images need; raise RunError when the disk is too small."""
    from stronglens.simulation.chunks import MEASURED, measure_rate

    size = number * bytes_an_image
    execution.check_disk(parameters.dataset_dir, size)
    time = ""
    is_simulated_here = not (parameters.scheduler or parameters.convert_from)
    if is_simulated_here and (parameters.dry_run or number > MEASURED):  # the measured images are discarded
        rate = measure_rate(find_simulator(parameters), parameters)
        time = f", {execution.describe_duration(number / rate)} on this machine ({rate:,.0f} images/s)"
    console.say(f"Estimate: {execution.describe_bytes(size)} on disk{time}")


def find_simulator(parameters):
    """Return the task's function that makes a simulator."""
    return import_module(f"stronglens.{parameters.task}.simulator").make_simulator


if __name__ == "__main__":
    sys.exit(main())
