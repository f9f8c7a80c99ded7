"""The two formats of a dataset: speed of writing and reading, and size on disk."""

import tempfile
from pathlib import Path

import numpy as np

import params_and_cli as panel
from benchmarks.timing import measure_rates
from stronglens.dataset import CHUNK_SIZE, ChunkStore
from stronglens.simulation.lens_simulator import LensSimulator

CHUNKS = 8


def measure(seconds: float) -> dict:
    """Write and read the same images (default dataset, 64x64 pixels) in both formats, by chunk, in one thread.

    As in a run, the record of a chunk (labels and checksum, synchronised with the disk) is written with its images.
    """
    simulator = LensSimulator(panel.RegressionSimulation.of(overrides=panel.OVERRIDES))
    chunks = [simulator.simulate(range(k * CHUNK_SIZE, (k + 1) * CHUNK_SIZE)) for k in range(CHUNKS)]
    raw = sum(images.nbytes for images, *_ in chunks)
    shape = chunks[0][0].shape[1:]
    report = {}
    with tempfile.TemporaryDirectory() as folder:
        works = {}
        for kept in ("pickle", "zarr"):
            place = Path(folder, kept)
            (place / "progress").mkdir(parents=True)
            store = ChunkStore(place, kept, CHUNKS * CHUNK_SIZE, shape)
            store.images.create()
            works[f"{kept}, write"] = (lambda store=store: _write(store, chunks), store.number)
            works[f"{kept}, read"] = (lambda store=store: _read(store), store.number)
        rates = measure_rates(works, seconds / 2)
        for kept in ("pickle", "zarr"):
            files = [path for path in Path(folder, kept).glob("images*/**/*") if path.is_file()]
            blocks = sum(path.stat().st_blocks * 512 for path in files)
            report[kept] = {
                "images_a_second_written": rates[f"{kept}, write"],
                "images_a_second_read": rates[f"{kept}, read"],
                "bytes_an_image_on_disk": blocks / (CHUNKS * CHUNK_SIZE),
                "share_of_raw_bytes": sum(path.stat().st_size for path in files) / raw,
                "files": len(files),
            }
            row = report[kept]
            print(
                f"{kept:>7}: {row['images_a_second_written']:7,.0f} images/s written, "
                f"{row['images_a_second_read']:7,.0f} read; {row['bytes_an_image_on_disk'] / 1000:.1f} kB an image on "
                f"disk ({row['share_of_raw_bytes']:.2f} of the raw bytes), {row['files']:,} files",
                flush=True,
            )
    for what in ("written", "read"):
        key = f"images_a_second_{what}"
        report[f"zarr_over_pickle_{what}"] = report["zarr"][key] / report["pickle"][key]
        print(f"zarr over pickle, {what}: {report[f'zarr_over_pickle_{what}']:.1f}")
    return report


def _write(store: ChunkStore, chunks: list) -> None:
    for chunk, content in enumerate(chunks):
        store.write_chunk(chunk, *content)


def _read(store: ChunkStore) -> None:
    for chunk in range(store.chunks):
        np.sum(store.read_chunk(chunk))
