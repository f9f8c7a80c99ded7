"""Images that are explained: of files, or of a dataset."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from stronglens.dataset import load_dataset
from stronglens.execution import Console
from stronglens.explaining.ascent import noise_start
from stronglens.explaining.names import NOISE
from stronglens.explaining.request import is_index
from stronglens.measuring import TrainingImages
from stronglens.parameters import RunError, UsageError


@dataclass(frozen=True)
class ExplainedImage:
    """An image that is explained.

    Attributes
    ----------
    name : str
    stem : str
        For the names of files.
    image : ndarray (H, W) or (H, W, B) float32, e-/s
        Input of the network.
    twin, effect : ndarray of the same shape or None, e-/s
        The same image without what is looked for, and their difference; None if the image was not simulated.
    notes : tuple of str
    """

    name: str
    stem: str
    image: np.ndarray
    twin: np.ndarray | None = None
    effect: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def read_images(
    parameters,
    record,
    training_images: TrainingImages,
    rebuild: Callable,
    open_simulation: Callable,
    twins,
    make_reader: Callable,
    console: Console,
) -> list[ExplainedImage]:
    """Return the images that ``--explain`` names: files as for ``--predict``, or indices in the dataset.

    An image of a simulated dataset has a twin, if ``--method=all`` or ``--fill=twin`` needs it.

    Raises
    ------
    RunError, UsageError
        If an image cannot be used.
    """
    files = [word for word in parameters.explain if not is_index(word)]
    indices = [int(word) for word in parameters.explain if is_index(word)]
    found = []
    if files:
        read = make_reader(replace(parameters, predict=tuple(files)), training_images)
        for image in read.list_images():
            prepared = read(image)
            found.append(ExplainedImage(prepared.name, image.stem, prepared.seen, notes=prepared.notes))
    if indices:
        found += _read_stored(parameters, record, indices, rebuild, open_simulation, twins, console)
    return found


def noise_images(parameters, record) -> list[ExplainedImage]:
    """Return one image of noise like that of the network's training images."""
    deviation = background_of(record)
    image = noise_start(tuple(record["image-shape"]), deviation, parameters.seed)[0]
    return [ExplainedImage("from noise", NOISE, image)]


def background_of(record) -> np.ndarray:
    """Return the noise of the background of a network's training images, (1,) or (B,), e-/s.

    Raises
    ------
    RunError
        If the record does not contain it.
    """
    known = record.get("backgrounds") or [record.get("background")]
    try:
        deviation = np.array([np.sqrt(np.prod([float(end) for end in one["noise"]])) for one in known])
    except (KeyError, TypeError, ValueError):
        deviation = np.zeros(1)
    if not (np.isfinite(deviation) & (deviation > 0)).all():
        raise RunError("the network's record does not contain the noise of its training images: train it again")
    return deviation


def _read_stored(parameters, record, indices, rebuild, open_simulation, twins, console) -> list[ExplainedImage]:
    dataset = load_dataset(parameters.dataset_dir, parameters.task, in_memory=False)
    if list(dataset.images.shape[1:]) != list(record["image-shape"]):
        raise RunError(f"the images in {parameters.dataset_dir} do not have the shape of the network's images")
    if max(indices) >= len(dataset.images):
        raise UsageError(f"--explain={max(indices)}: the dataset has the images 0 to {len(dataset.images) - 1}")
    trained = set(record.get("split", {}).get("train", ())) if _is_same(dataset, record) else set()
    others = {}
    wants_twin = parameters.method == "all" or parameters.fill == "twin"
    if wants_twin and "origin" not in dataset.manifest:
        console.say(f"Simulating the images {twins.WORDS}")
        simulation = rebuild(dataset.manifest["parameters"])
        with open_simulation() as executor:
            work = partial(twins.simulate_twins, simulation, as_stored=True)
            for index in indices:
                others[index] = executor.submit(work, [index]).result()
    elif parameters.fill == "twin":
        raise UsageError("--fill=twin needs a simulated dataset; this one was converted")
    found = []
    for index in indices:
        image, twin, effect, notes = dataset.images[index], None, None, []
        if index in trained:
            notes.append("the network was trained on this image")
        if index in others:
            again = others[index].images[0]
            if np.allclose(again, image, atol=1e-3 * np.abs(image).max()):
                twin, effect = others[index].twins[0], others[index].effects[0]
            elif parameters.fill == "twin":
                raise RunError(f"image {index}: a new simulation differs from the stored image: no twin")
            else:
                console.warn(f"image {index}: a new simulation differs from the stored image: no twin")
            if effect is not None and not effect.any():
                twin = effect = None
        found.append(ExplainedImage(f"image {index}", str(index), image, twin, effect, tuple(notes)))
    return found


def _is_same(dataset, record) -> bool:
    return record.get("dataset") == dataset.manifest["checksums"].get("labels.csv")
