"""Fill masked and bad pixels of an image."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import spsolve

from stronglens.observation.noise import draw_noise

RIM = 2
"""Half-width, in pixels, of the mean that replaces a pixel at the edge: its own noise would extend into a streak."""


def fill_hidden(
    image: NDArray[np.float64], hidden: NDArray[np.bool_], centre: tuple[float, float]
) -> NDArray[np.float64]:
    """Replace hidden pixels by the lens galaxy's profile, the light around them, and noise.

    The profile is the median of the pixels at each distance from the lens. The rest of the image is continued inwards
    from the edge of the hidden pixels by a harmonic function (each pixel is the mean of its four neighbours), which has
    neither an edge nor a new maximum. Filling with the pixels mirrored at the lens would add a counter-image of each
    arc: on the arcs of SLACS lenses its error is four times as large (docs/real-lenses.md).

    Parameters
    ----------
    image : ndarray (H, W)
        Hidden pixels may have any value.
    hidden : ndarray (H, W) bool
        At least one pixel is not hidden.
    centre : (float, float), pixels
        (row, column) of the lens; pixel centres are whole numbers.

    Returns
    -------
    ndarray (H, W), the image with other values in hidden pixels
    """
    if not hidden.any():
        return image
    rows, columns = np.indices(image.shape)
    rings = np.round(np.hypot(rows - centre[0], columns - centre[1])).astype(int)
    profile = _radial_profile(image[~hidden], rings[~hidden], rings.max())[rings]
    filled = np.where(hidden, np.nan, image)
    unlike = np.where(hidden, 0.0, image - profile)
    smooth = profile + _continue_inwards(_mean_about(unlike, ~hidden), hidden)
    filled[hidden] = (smooth + draw_noise(filled, image.shape))[hidden]
    return filled


def _radial_profile(values: NDArray[np.float64], rings: NDArray[np.int_], last: int) -> NDArray[np.float64]:
    """Return the median at each whole distance up to the last; it is interpolated where there is no pixel."""
    order = np.argsort(rings, kind="stable")
    radii, starts = np.unique(rings[order], return_index=True)
    medians = [np.median(part) for part in np.split(values[order], starts[1:])]
    return np.interp(np.arange(last + 1), radii, medians)


def _mean_about(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    size = 2 * RIM + 1
    share = uniform_filter(known.astype(float), size, mode="constant")
    total = uniform_filter(np.where(known, values, 0.0), size, mode="constant")
    return np.divide(total, share, out=np.zeros_like(total), where=share > 1e-9)


def _continue_inwards(values: NDArray[np.float64], hidden: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Solve Laplace's equation in the hidden pixels, bounded by the others; no gradient at the image's edge."""
    number = np.full(hidden.shape, -1)
    number[hidden] = np.arange(np.count_nonzero(hidden))
    here, there, neighbours, given = [], [], np.zeros(number.max() + 1), np.zeros(number.max() + 1)
    ahead, behind = slice(1, None), slice(None, -1)
    for mine, other in (
        ((ahead, slice(None)), (behind, slice(None))),
        ((behind, slice(None)), (ahead, slice(None))),
        ((slice(None), ahead), (slice(None), behind)),
        ((slice(None), behind), (slice(None), ahead)),
    ):
        inside = hidden[mine]
        index, beside = number[mine][inside], number[other][inside]
        neighbours[index] += 1
        free = beside >= 0
        here.append(index[free])
        there.append(beside[free])
        given[index[~free]] += values[other][inside][~free]
    here, there = np.concatenate(here), np.concatenate(there)
    links = csr_matrix((np.ones(len(here)), (here, there)), shape=(len(given), len(given)))
    result = np.zeros(hidden.shape)
    result[hidden] = spsolve((diags(neighbours) - links).tocsc(), given)
    return result
