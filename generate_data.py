#!/usr/bin/env python3
"""Simulate strong gravitational lenses: parameters in, ``dataset/`` out. See ``--help``."""

import sys
import time
from functools import partial

import params_and_cli as panel
from stronglens import execution
from stronglens.parameters import Column, UsageError, parse, to_manifest


def main(arguments: list[str] | None = None) -> int:
    """Run the command with some arguments (those of the process by default); return 0, or exit with an error code."""
    with execution.exit_codes():
        parameters = parse(
            panel.SimulationParameters,
            sys.argv[1:] if arguments is None else arguments,
            program="generate_data.py",
            overrides=panel.OVERRIDES,
            examples=panel.EXAMPLES["generate_data.py"],
            version=panel.PROGRAM_VERSION,
        )
        execution.check_machines(parameters.workers, parameters.scheduler)
        say = (lambda line: None) if parameters.quiet else print
        if parameters.convert_from:
            convert(parameters, say)
        else:
            generate(parameters, say)
    return 0


def generate(parameters, say) -> None:
    """Simulate the dataset that the parameters describe."""
    side = parameters.grid_size
    say(
        f"Simulating {parameters.generated_number:,} {parameters.lens_model} lenses, telescope {parameters.telescope}: "
        f"{side}x{side} pixels of {parameters.pixel_scale:g} arcsec, seed {parameters.seed}"
    )

    from stronglens.regression.chunks import ChunkSimulation, describe_environment, simulator_of

    simulator = simulator_of(parameters)
    columns = [column.to_dict() for column in simulator.columns.values()]
    manifest = {
        "number": parameters.generated_number,
        "parameters": to_manifest(parameters),
        "versions": describe_environment(panel.PROGRAM_VERSION),
        **simulator.describe(),
    }
    write(parameters, manifest, partial(ChunkSimulation, parameters), columns, "simulating", say)


def convert(parameters, say) -> None:
    """Keep a finished dataset in another format."""
    from stronglens.dataset import ChunkConversion, converted_manifest, read_manifest

    if to_manifest(parameters) != to_manifest(type(parameters).of(panel.OVERRIDES, format=parameters.format)):
        raise UsageError("--convert-from takes all parameters from the dataset: give it --format and no others")
    if parameters.convert_from.resolve() == parameters.dataset_dir.resolve():
        raise UsageError("--dataset-dir is the folder of the dataset to convert: name another one")
    manifest = read_manifest(parameters.convert_from)
    begun = converted_manifest(manifest, parameters.format)
    say(f"Converting {manifest['number']:,} images of {parameters.convert_from}/ to {parameters.format}")
    columns = [Column.from_dict(item).to_dict() for item in manifest["columns"]]
    work = partial(ChunkConversion, parameters.convert_from.absolute())
    write(parameters, begun, work, columns, "converting", say)


def write(parameters, manifest, work, columns, what, say) -> None:
    """Do the chunks of work that are missing, wherever they are to be done, and finish the dataset."""
    from stronglens.dataset import ChunkStore, DatasetWriter
    from stronglens.regression.chunks import describe_environment
    from stronglens.sampling import describe_prior

    folder = parameters.dataset_dir
    store = ChunkStore.of(folder, manifest)
    if parameters.dry_run:
        return estimate(parameters, store.number, store.bytes_an_image(len(columns)), say)
    writer = DatasetWriter(folder, manifest, force=parameters.force, resume=parameters.resume)
    if writer.is_complete:
        return say(f"The dataset in {folder}/ is complete: nothing to do")
    missing = writer.missing_images
    estimate(parameters, missing, store.bytes_an_image(len(columns)), say)
    if missing < store.number:
        say(f"Resuming: {store.number - missing:,} images are there, {missing:,} to do")
    describe = partial(describe_environment, panel.PROGRAM_VERSION)
    with (
        execution.open_executor(parameters.workers, parameters.scheduler, describe) as executor,
        writer,
        execution.Progress(missing, what, "images", parameters.quiet) as progress,
    ):
        start = time.perf_counter()
        execution.run_chunks(work(store), writer.missing_chunks, executor, progress.advance)
        manifest = writer.finish(columns, describe_prior)
        seconds = time.perf_counter() - start
    say(f"{missing:,} images in {execution.describe_duration(seconds)}: {missing / seconds:,.0f} images/s")
    refused = ", ".join(f"{count:,} {reason}" for reason, count in manifest["rejected"].items() if count)
    say(f"Draws refused: {refused or 'none'}")
    say(f"Dataset: {folder}/ ({store.images.place}/, labels.csv, manifest.json)")


def estimate(parameters, number: int, bytes_an_image: int, say) -> None:
    """Say how much disk and time the images will take; refuse a disk that is too small."""
    from stronglens.regression.chunks import MEASURED, measure_rate

    size = number * bytes_an_image
    execution.check_disk(parameters.dataset_dir, size)
    time = ""
    is_simulated_here = not (parameters.scheduler or parameters.convert_from)
    if is_simulated_here and (parameters.dry_run or number > MEASURED):  # which are thrown away
        rate = measure_rate(parameters)
        time = f", {execution.describe_duration(number / rate)} on this machine ({rate:,.0f} images/s)"
    say(f"Estimate: {execution.describe_bytes(size)} on disk{time}")


if __name__ == "__main__":
    sys.exit(main())
