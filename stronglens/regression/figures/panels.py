"""Figures with rows of panels, one per label."""

import numpy as np

from stronglens.plotting import inches, new_figure


def add_panels(count: int, size: tuple[float, float], margins: tuple[float, float, float], most: int):
    """Return a figure and its panels in rows, at most ``most`` in a row.

    ``size`` is the size of a panel; ``margins`` are the space at the left of all panels, between columns, and below
    each row; both are in inches. A panel is (axes, whether it is leftmost, whether no panel is below it).
    """
    width, height = size
    left, between, below = margins
    across = min(count, most)
    down = -(-count // across)
    top = 0.95
    pitch = height + 0.32 if between < 0.5 else height + below
    figure = new_figure(max(left + across * (width + between), 4.6), top + (down - 1) * pitch + height + 0.55)
    panels = []
    for place in range(count):
        row, along = divmod(place, across)
        up = figure.get_figheight() - top - row * pitch - height
        axes = figure.add_axes(inches(figure, left + along * (width + between), up, width, height))
        panels.append((axes, along == 0, place + across >= count))
    return figure, panels


def spread_out(count: int, most: int) -> np.ndarray:
    """Return the indices of at most ``most`` images, evenly spaced (the images are in random order)."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
