"""Figures of networks that play against each other: their losses, and an animation of what they make."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stronglens.generation.figures.images import draw_reconstructions
from stronglens.plotting import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    add_title,
    asinh_norm,
    count_of,
    inches,
    new_figure,
    style,
)
from stronglens.plotting.animation import MOST_FRAMES, colour_image, join_panels, write_animation

DURATION = 200
"""Of a frame, ms."""

JUDGED = "coverage", "pair-distance"


def draw_players(history: Mapping[str, Sequence[float]], best: int) -> Figure:
    """Draw the losses of all players by epoch, and how different their images are.

    Parameters
    ----------
    history : mapping of str to sequence of E float
        See `game.fit_game`.
    best : int
        The epoch whose network was saved, from 1.
    """
    losses = [name for name in history if name not in (*JUDGED, "distance")]
    epochs = np.arange(1, len(history["distance"]) + 1)
    colours = (BLUE, ORANGE, GREEN, RED, GREY, "0.2")
    panels = (
        (losses, "loss", {name: name.replace("-", " ") for name in losses}),
        (
            JUDGED,
            "of samples, over that of real images",
            {"coverage": "coverage", "pair-distance": "distance of pairs"},
        ),
        (("distance",), "kernel distance to validation images", {}),
    )
    with style():
        figure = new_figure(12.4, 3.9)
        for place, (names, label, texts) in enumerate(panels):
            axes = figure.add_axes(inches(figure, 0.85 + 4.05 * place, 0.55, 3.15, 2.5))
            for name, colour in zip(names, colours, strict=False):
                values = np.asarray(history[name], float)
                axes.plot(epochs, np.where(np.isfinite(values), values, np.nan), color=colour, label=texts.get(name))
            axes.axvline(
                best, color=GREY, lw=0.8, ls="--", zorder=0, label=f"saved: epoch {best}" if not place else None
            )
            if place == 0:
                axes.set_yscale("log")
            axes.set(xlabel="epoch", ylabel=label)
            axes.grid(color="0.92", lw=0.6)
            if place < 2:
                axes.legend(loc="best")
        saved = "the saved network is that of the good epoch with the smallest distance"
        add_title(figure, "Players of the training", f"{count_of(len(epochs), 'epoch')}; {saved}")
    return figure


def write_samples(path: Path, frames: Sequence[np.ndarray], history: Mapping, cmap: str, what: str) -> Path:
    """Write an animation of images that the same random numbers, or images, give after each epoch.

    Parameters
    ----------
    path : Path
    frames : sequence of E ndarray (N, H, W), electrons/s
        N is a square number.
    history : mapping
        For the line of text: ``coverage`` of each epoch.
    cmap : str
    what : str
        For the line of text.
    """
    norm = asinh_norm(frames[-1], floor=0.0)
    chosen = np.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).astype(int)

    def sheet(images: np.ndarray) -> np.ndarray:
        side = int(np.sqrt(len(images)))
        rows = images[: side * side].reshape(side, side, *images.shape[1:])
        return rows.transpose(0, 2, 1, 3).reshape(side * images.shape[1], -1)

    pages = [
        join_panels(
            [colour_image(sheet(frames[epoch]), norm, cmap)],
            f"{what}, epoch {epoch + 1}: coverage {history['coverage'][epoch]:.2f}",
        )
        for epoch in chosen
    ]
    return write_animation(path, pages, DURATION)


def draw_there_and_back(first: Sequence[np.ndarray], second: Sequence[np.ndarray], indices, pixel_scale: float,
                        cmap: str, names: tuple[str, str]) -> Figure:  # fmt: skip
    """Draw images of two datasets, their translations, and the images that come back.

    Parameters
    ----------
    first, second : sequence of 3 ndarray (N, H, W), electrons/s
        Images, translated images, and images that came back.
    indices : (sequence of N int, sequence of N int)
    pixel_scale : float, arcsec
    cmap : str
    names : (str, str)
        Of the datasets.
    """
    rows, residuals = [], []
    for letter, (image, translated, returned) in zip("AB", (first, second), strict=True):
        other = "B" if letter == "A" else "A"
        rows += [(letter, image), (f"{letter} as {other}", translated), (f"{letter} again", returned)]
        residuals += [(f"{letter} as {other}\nminus {letter}", translated - image)]
        residuals += [(f"{letter} again\nminus {letter}", returned - image)]
    subtitle = f"A: {names[0]}; B: {names[1]}; test images, all in the same stretch"
    return draw_reconstructions(
        rows, residuals, indices[0], pixel_scale, cmap, subtitle, "Images that are translated, there and back"
    )
