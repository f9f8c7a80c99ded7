"""Generated images: observed with the camera of the training images, and written as a dataset of the same format."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stronglens.dataset import CHUNK_SIZE, Dataset, DatasetWriter, chunk_indices
from stronglens.generation.network import decode
from stronglens.generation.sampler import Sampler, draw_condition
from stronglens.sampling import Stream, describe_prior, generator
from stronglens.telescope import Telescope, add_noise

DRAWN_NOISE = {"exposure-time": "exposure_time", "peak-noise": "peak_noise"}
"""Columns that set the noise of an image, by the argument of `telescope.add_noise`."""

MOST_DRAWN = 2000
KEPT = ("parameters", "versions", "image-shape", "image-unit", "telescope", "conventions", "bands")
"""Entries of a dataset's manifest that generated images have too."""


def describe_origin(dataset: Dataset, rows: np.ndarray) -> dict:
    """Return what the record of a network must contain about its training images, to observe generated ones.

    Parameters
    ----------
    dataset : Dataset
    rows : ndarray (N,) of int
        Training images.
    """
    manifest = dataset.manifest
    drawn = [name for name in DRAWN_NOISE if name in dataset.columns]
    values = dataset.column_values(drawn)[rows[:MOST_DRAWN]]
    return {
        "manifest": {name: manifest[name] for name in KEPT if name in manifest},
        "noise": {name: values[:, place].tolist() for place, name in enumerate(drawn)},
        "columns": [column.to_dict() for column in dataset.columns.values()],
        "checksum": manifest["checksums"]["labels.csv"],
    }


def camera_of(origin: Mapping) -> Telescope | None:
    """Return the camera that adds noise; None if the training images have no noise, or none that is known."""
    manifest = origin["manifest"]
    found = manifest["telescope"]
    if "bands" in manifest or not (found.get("exposure-time") or origin["noise"]):
        return None
    return Telescope(
        pixel_scale=found["pixel-scale"],
        psf=None,  # the network learned images that are blurred
        exposure_time=found["exposure-time"],
        exposures=found["exposures"],
        sky=found["sky"],
        read_noise=found["read-noise"],
        zero_point=found["zero-point"],
        noise_correlation=found.get("noise-correlation", 0.0),
    )


def observe_samples(light: np.ndarray, origin: Mapping, seed: int, indices) -> np.ndarray:
    """Add the noise of the training images' camera to images without noise.

    Parameters
    ----------
    light : ndarray (N, H, W[, C]), electrons/s
    origin : mapping
        As `describe_origin` returns it.
    seed : int
    indices : sequence of N int
        Indices of the images; the noise of an image depends on the seed and on its index only.

    Returns
    -------
    ndarray of the same shape, float32, electrons/s
    """
    camera = camera_of(origin)
    if camera is None:
        return light.astype(np.float32)
    randoms = [generator(seed, Stream.GENERATED, index) for index in indices]
    drawn = {
        DRAWN_NOISE[name]: np.array([random.choice(values) for random in randoms])
        for name, values in origin["noise"].items()
    }
    return add_noise(np.maximum(light, 0), camera, randoms, **drawn)


def generate_images(
    network, sampler: Sampler, origin: Mapping, number: int, seed: int, labels: np.ndarray | None = None
) -> np.ndarray:
    """Draw codes, and return their images (number, H, W[, C]) with noise, electrons/s."""
    light = decode(network, sampler(number, seed, labels))
    return observe_samples(light, origin, seed, range(number))


def write_generated(
    network, record: Mapping, sampler: Sampler, folder: Path, number: int, seed: int, format: str, console, force: bool
) -> None:
    """Write generated images as a dataset that is marked as generated.

    Its labels are those that were asked for with ``--condition``; no others are known.

    Parameters
    ----------
    network : keras.Model
    record : mapping
        Of the network.
    sampler : Sampler
    folder : Path
    number : int
    seed : int
    format : {"pickle", "zarr"}
    console : Console
    force : bool
        Whether to replace a dataset.

    Raises
    ------
    UsageError
        When the folder is not empty.
    """
    origin, condition = record["origin"], sampler.record["condition"]
    labels = draw_condition(sampler.record, number, seed)
    described = dict(origin["manifest"])
    described["parameters"] = described["parameters"] | {"generated-number": number, "format": format}
    has_noise = camera_of(origin) is not None
    generated = {
        "network": record["network"],
        "sampler": sampler.kind,
        "condition": condition,
        "seed": seed,
        "noise": has_noise,
        "training-set": origin["checksum"],
    }
    columns = [column for name in condition for column in origin["columns"] if column["name"] == name]
    writer = DatasetWriter(folder, {"number": number, **described, "generated": generated}, force=force)
    codes = sampler(number, seed, labels)
    with writer, console.progress(number, "generating") as progress:
        for chunk in range(-(-number // CHUNK_SIZE)):
            indices = chunk_indices(chunk, number)
            images = observe_samples(decode(network, codes[indices.start : indices.stop]), origin, seed, indices)
            asked = {name: labels[indices.start : indices.stop, place] for place, name in enumerate(condition)}
            writer.store.write_chunk(chunk, images, asked, Counter())
            progress.advance(len(indices))
        writer.finish(columns, describe_prior)
    noise = "with the noise of their camera" if has_noise else "without noise"
    known = f"labels: {', '.join(condition)}" if condition else "without labels"
    console.say(f"Generated dataset: {folder}/ ({number:,} images {noise}; {known})")
