#!/usr/bin/env python3
"""Simulate strong gravitational lenses: parameters in, ``dataset/`` out. See ``--help``."""

import sys
import time

import params_and_cli as panel
from stronglens.execution import Progress, check_disk, describe_bytes, describe_duration, exit_codes, run_chunks
from stronglens.parameters import parse, to_manifest


def main(arguments: list[str] | None = None) -> int:
    """Run the command with some arguments (those of the process by default); return 0, or exit with an error code."""
    with exit_codes():
        parameters = parse(
            panel.SimulationParameters,
            sys.argv[1:] if arguments is None else arguments,
            program="generate_data.py",
            overrides=panel.OVERRIDES,
            examples=panel.EXAMPLES["generate_data.py"],
            version=panel.PROGRAM_VERSION,
        )
        generate(parameters)
    return 0


def generate(parameters) -> None:
    """Simulate the dataset that the parameters describe."""
    say = (lambda line: None) if parameters.quiet else print
    say(describe_run(parameters))

    from stronglens.dataset import DatasetWriter, chunk_indices, library_versions
    from stronglens.regression.scene import LensSimulator
    from stronglens.sampling import describe_prior

    number = parameters.generated_number
    simulator = LensSimulator(parameters)
    if not parameters.dry_run:
        manifest = {
            "number": number,
            "parameters": to_manifest(parameters),
            "versions": library_versions(panel.PROGRAM_VERSION),
            **simulator.describe(),
        }
        writer = DatasetWriter(parameters.dataset_dir, manifest, force=parameters.force, resume=parameters.resume)
        if writer.is_complete:
            say(f"The dataset in {parameters.dataset_dir}/ is complete: nothing to do")
            return
    missing = range(number) if parameters.dry_run else writer.missing_images
    estimate(simulator, len(missing), parameters.dataset_dir, say)
    if parameters.dry_run:
        return

    if len(missing) < number:
        say(f"Resuming: {number - len(missing):,} images are there, {len(missing):,} to do")
    start = time.perf_counter()
    with writer, Progress(len(missing), "simulating", "images", parameters.quiet) as progress:
        run_chunks(
            lambda chunk: simulator.simulate(chunk_indices(chunk, number)),
            writer.write_chunk,
            writer.missing_chunks,
            progress.advance,
        )
        manifest = writer.finish([column.to_dict() for column in simulator.columns.values()], describe_prior)
    seconds = time.perf_counter() - start
    say(f"{len(missing):,} images in {describe_duration(seconds)}: {len(missing) / seconds:,.0f} images/s")
    refused = ", ".join(f"{count:,} {reason}" for reason, count in manifest["rejected"].items() if count)
    say(f"Draws refused: {refused or 'none'}")
    say(f"Dataset: {parameters.dataset_dir}/ (images/, labels.csv, manifest.json)")


def estimate(simulator, number: int, folder, say) -> None:
    """Say how much disk and time the images will take, measured on a chunk; refuse a disk that is too small."""
    from stronglens.dataset import CHUNK_SIZE

    chunk = range(min(number, CHUNK_SIZE))
    simulator.simulate(chunk[:1])  # compiles
    start = time.perf_counter()
    simulator.simulate(chunk)
    seconds = (time.perf_counter() - start) / len(chunk)
    size = number * simulator.bytes_an_image
    length = describe_duration(number * seconds)
    say(f"Estimate: {describe_bytes(size)} on disk, {length} ({1 / seconds:,.0f} images/s)")
    check_disk(folder, size)


def describe_run(parameters) -> str:
    """Return a line that says what is about to be simulated."""
    side = parameters.grid_size
    return (
        f"Simulating {parameters.generated_number:,} {parameters.lens_model} lenses, telescope {parameters.telescope}: "
        f"{side}x{side} pixels of {parameters.pixel_scale:g} arcsec, seed {parameters.seed}"
    )


if __name__ == "__main__":
    sys.exit(main())
