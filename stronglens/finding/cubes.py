"""Score the images of large arrays as they are, at the speed of the network."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from stronglens.atomic import replacing
from stronglens.execution import Console
from stronglens.finding.labels import LENS
from stronglens.measuring import damaged_record
from stronglens.observation import cube_shape, read_block
from stronglens.parameters import RunError

BLOCK = 256
"""Images in a batch: always the same number, so that the score of an image does not depend on the others."""
SHOWN = 10
"""Number of images with the highest scores that are printed."""


def check_cubes(parameters, record: Mapping) -> None:
    """Check that the arrays of ``--predict`` have images of the network's shape.

    Raises
    ------
    RunError
        If an array cannot be read, or has other images.
    """
    if not isinstance(wanted := record.get("image-shape"), list):
        raise damaged_record(parameters.model_file)
    for path in parameters.predict:
        if (found := list(cube_shape(path, parameters.hdu)))[1:] != wanted:
            raise RunError(
                f"{path}: has the shape {tuple(found)}; with --as-is it must be (N, {', '.join(map(str, wanted))})"
            )


def write_scores(parameters, network) -> None:
    """Score all images, write ``scores.csv`` and print the highest scores. Memory does not grow with their number."""
    console, best = Console(parameters.quiet), []
    number = sum(cube_shape(path, parameters.hdu)[0] for path in parameters.predict)
    parameters.figures_dir.mkdir(parents=True, exist_ok=True)
    target = parameters.figures_dir / "scores.csv"
    with replacing(target) as aside, open(aside, "w", encoding="utf-8") as table:
        table.write("path,plane,P(lens)\n")
        with console.progress(number, "scoring") as progress:
            for path in parameters.predict:
                for start, scores in score_cube(network, path, parameters.hdu):
                    table.writelines(f"{path},{start + k},{score:.6g}\n" for k, score in enumerate(scores))
                    best += [(score, path, start + k) for k, score in enumerate(scores.tolist()) if np.isfinite(score)]
                    best = sorted(best, reverse=True)[:SHOWN]
                    progress.advance(len(scores))
    for score, path, plane in best:
        console.say(f"  {path}[{plane}]  P(lens) {score:.4g}")
    console.say(f"{number:,} images scored as they are: neither calibrated nor compared with the training set")
    console.say(f"Table: {target}")


def score_cube(network, path: str, hdu: str | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """Score the images of an array; the next block is read while the network works.

    Parameters
    ----------
    network : keras.Model
    path : str
        Of a Zarr array (N, H, W) or (N, H, W, B), or of a FITS cube (N, H, W), e-/s.
    hdu : str, optional
        FITS extension.

    Yields
    ------
    start : int
        Number of the first image of the block.
    scores : ndarray (n,)
        P(lens); NaN for an image with values that are not finite.
    """
    number = cube_shape(path, hdu)[0]
    starts = range(0, number, BLOCK)

    def read(start: int) -> np.ndarray:
        return read_block(path, start, min(start + BLOCK, number), hdu).astype(np.float32)

    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(read, 0) if number else None
        for start in starts:
            images = following.result()
            if start + BLOCK < number:
                following = reader.submit(read, start + BLOCK)
            missing = BLOCK - len(images)
            batch = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.float32)]) if missing else images
            yield start, network.predict_on_batch(batch)[: len(images), LENS]
