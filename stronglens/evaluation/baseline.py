"""Baseline: logistic regression on scalar image measurements.

A network may learn the same differences between classes, such as a higher mean brightness, instead of substructure.
Its gain over the baseline comes from the structure of the images.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

FEATURES = (
    "flux", "peak", "background", "noise", "lit_area", "centre_offset", "mean_radius", "radial_width",
    "ring_radius", "ring_brightness", "size", "ellipticity", "flux_within_1_4", "flux_within_1_2", "flux_within_3_4",
)  # fmt: skip
BLOCK = 2**20
"""Number of pixels in a batch: 256 images of 64 x 64 pixels; 8 MB in double precision, in about four copies."""

THRESHOLD = 2.0
"""Threshold for light above the background, in standard deviations of the noise."""

MAX_SIGMA = 5.0
"""Standardised features are clipped to this range, so that one outlier cannot dominate the fit."""


def scalar_features(images: np.ndarray, pixel_scale: float | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Measure the brightness, position, size and shape of the light in each image.

    Background and noise are the median and the scaled median absolute deviation in a frame along the edges, an eighth
    of the image wide. ``flux`` and ``peak`` are background-subtracted. The other features weight each pixel by its
    light w above the background plus twice the noise: ``lit_area`` = (sum w)^2 / sum w^2; relative to the image centre,
    the distance of the centroid, mean and standard deviation of the radius, and the fraction of the light within 1/4,
    1/2 and 3/4 of the distance to the nearest edge; relative to the centroid, ``size`` = sqrt(Q_xx + Q_yy) and
    ``ellipticity`` = sqrt((Q_xx - Q_yy)^2 + 4 Q_xy^2) / (Q_xx + Q_yy), with the second moments Q. ``ring_radius`` and
    ``ring_brightness`` are the maximum of the brightness averaged over angle, from a parabola through three rings. The
    features of an image without light are 0.

    Parameters
    ----------
    images : ndarray (N, H, W), electrons/s
        Finite, at least 4 x 4 pixels.
    pixel_scale : float, arcsec, optional
        Without it, lengths are in pixels.

    Returns
    -------
    features : ndarray (N, F) float64
        Finite; brightness in electrons/s, lengths in arcsec, ``lit_area`` in arcsec^2.
    names : tuple of F str

    Raises
    ------
    ValueError
        For images of another shape or smaller than 4 x 4 pixels.
    """
    images = np.asarray(images)
    if images.ndim != 3 or min(images.shape[1:]) < 4:
        raise ValueError(f"need images (N, H, W) of 4 x 4 pixels or more, not {images.shape}")
    scale = 1.0 if pixel_scale is None else float(pixel_scale)
    field = _Field(images.shape[1:], scale)
    step = max(1, BLOCK // (images.shape[1] * images.shape[2]))
    blocks = [_measure(images[start : start + step], field) for start in range(0, len(images), step)]
    return np.concatenate(blocks) if blocks else np.empty((0, len(FEATURES))), FEATURES


def scalar_baseline(
    train_features: np.ndarray,
    train_true: np.ndarray,
    test_features: np.ndarray,
    classes: Sequence[str],
    seed: int,
) -> np.ndarray:
    """Predict class probabilities from scalar features with a multinomial logistic regression.

    Each feature x is transformed to z = asinh((x - median) / half the interquartile range), which shortens the tails of
    fluxes in any unit, and standardised on the training images. The inputs of the regression are z and z^2; it has an
    L2 penalty of unit strength.

    Parameters
    ----------
    train_features : ndarray (M, F)
    train_true : ndarray (M,) int
        Indices of the true classes.
    test_features : ndarray (N, F)
    classes : sequence of C str
    seed : int
        Seed of the solver; the default solver does not use it.

    Returns
    -------
    ndarray (N, C) float64
        Each row sums to 1; a class without training images has probability 0.

    Raises
    ------
    ValueError
        When a training class is not an index of ``classes``.
    """
    train_true = np.asarray(train_true)
    present = np.unique(train_true)
    if not len(present) or present[0] < 0 or present[-1] >= len(classes):
        raise ValueError(f"training classes {present} are not among 0 to {len(classes) - 1}")
    probabilities = np.zeros((len(test_features), len(classes)))
    if len(present) == 1:
        probabilities[:, present[0]] = 1.0
        return probabilities
    if not len(test_features):
        return probabilities
    train, test = _standardise(np.asarray(train_features, float), np.asarray(test_features, float))
    regression = LogisticRegression(max_iter=5000, random_state=seed)
    regression.fit(np.hstack([train, train**2]), train_true)
    probabilities[:, present] = regression.predict_proba(np.hstack([test, test**2]))
    return probabilities


class _Field:
    """Coordinates of the pixels of an image, flattened."""

    def __init__(self, shape: tuple[int, int], scale: float):
        height, width = shape
        y, x = np.mgrid[:height, :width].astype(np.float64)
        self.y, self.x = ((height - 1) / 2 - y.ravel()) * scale, (x.ravel() - (width - 1) / 2) * scale
        self.radius = np.hypot(self.x, self.y)
        self.reach = min(height, width) * scale / 2
        self.scale = scale
        edge = max(1, min(height, width) // 8)
        inside = np.zeros(shape, dtype=bool)
        inside[edge:-edge, edge:-edge] = True
        self.frame = ~inside.ravel()
        # Complete rings, one pixel wide; after sorting, the pixels of a ring are contiguous.
        ring = (self.radius / scale).astype(int)
        self.order = np.argsort(ring, kind="stable")
        self.order = self.order[: np.count_nonzero(ring < max(3, min(height, width) // 2))]
        _, self.starts, self.counts = np.unique(ring[self.order], return_index=True, return_counts=True)
        self.ring_radii = self.average(self.radius[None])[0]

    def average(self, light: np.ndarray) -> np.ndarray:
        """Return the mean of images (N, H W) in each ring, (N, R)."""
        return np.add.reduceat(light[:, self.order], self.starts, axis=1) / self.counts


def _measure(images: np.ndarray, field: _Field) -> np.ndarray:
    light = images.reshape(len(images), -1).astype(np.float64)
    # Units of the brightest pixel avoid overflow and underflow below.
    unit = np.abs(light).max(axis=1, keepdims=True)
    unit[unit == 0] = 1.0
    light /= unit
    frame = light[:, field.frame]
    background = np.median(frame, axis=1, keepdims=True)
    noise = 1.4826 * np.median(np.abs(frame - background), axis=1, keepdims=True)
    light -= background
    unit = unit[:, 0]
    profile_radius, profile_peak = _find_ring(field.average(light), field.ring_radii)
    flux, peak = light.sum(axis=1), light.max(axis=1)

    weights = np.maximum(light - THRESHOLD * noise, 0.0)
    # Rounding errors of a uniform image are not light.
    weights[weights.max(axis=1) <= 1e-12] = 0.0
    total = weights.sum(axis=1)
    lit = total > 0
    squares = np.square(weights).sum(axis=1)
    weights /= np.where(lit, total, 1.0)[:, None]
    x, y, radius = weights @ field.x, weights @ field.y, weights @ field.radius
    xx, yy = weights @ field.x**2 - x**2, weights @ field.y**2 - y**2
    xy = weights @ (field.x * field.y) - x * y
    spread = np.maximum(weights @ field.radius**2 - radius**2, 0.0)
    moment = np.maximum(xx + yy, 0.0)
    shape = np.hypot(xx - yy, 2 * xy)
    # The shape of a single pixel is only rounding errors.
    extended = moment > 1e-9 * field.scale**2
    ellipticity = np.divide(shape, moment, out=np.zeros_like(moment), where=extended)
    within = [weights @ (field.radius < share * field.reach) for share in (0.25, 0.5, 0.75)]
    area = np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0) * field.scale**2
    return np.column_stack(
        [
            flux * unit, peak * unit, background[:, 0] * unit, noise[:, 0] * unit, area, np.hypot(x, y), radius,
            np.sqrt(spread), np.where(lit, profile_radius, 0.0), np.where(lit, profile_peak * unit, 0.0),
            np.sqrt(moment), np.minimum(ellipticity, 1.0), *within,
        ]
    )  # fmt: skip


def _find_ring(profiles: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return radius and height of the maximum of each profile (N, R)."""
    rows = np.arange(len(profiles))
    top = np.argmax(profiles, axis=1)
    middle = np.clip(top, 1, profiles.shape[1] - 2)
    left, centre, right = (profiles[rows, middle + step] for step in (-1, 0, 1))
    curvature = left - 2 * centre + right
    peaked = (top == middle) & (curvature < -1e-12)
    step = np.where(peaked, 0.5 * (left - right) / np.where(peaked, curvature, 1.0), 0.0)
    radius = np.where(peaked, np.interp(middle + step, np.arange(len(radii)), radii), radii[top])
    return radius, np.where(peaked, centre - 0.25 * (left - right) * step, profiles[rows, top])


def _standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, middle, high = np.percentile(train, (25, 50, 75), axis=0)
    # The interquartile range is 0 for a feature that is constant in most images; then the standard deviation is used.
    width = np.where(high > low, (high - low) / 2, train.std(axis=0))
    width[width == 0] = 1.0
    train, test = (np.arcsinh((part - middle) / width) for part in (train, test))
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation < 1e-12] = 1.0
    return tuple(np.clip((part - mean) / deviation, -MAX_SIGMA, MAX_SIGMA) for part in (train, test))
