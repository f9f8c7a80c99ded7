"""Least-squares fits of the image of a lens: with the source, without it, and with the source not lensed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares, nnls

from stronglens import telescope
from stronglens.regression.image_priors import Priors
from stronglens.regression.lens_gaussians import LensGaussians

if TYPE_CHECKING:  # the process that trains or predicts reads these results, but does not import JAX
    from stronglens.regression.image_likelihood import ImageLikelihood

MAX_STEPS, TOLERANCE = 30, 1e-4
"""Largest number of steps of a fit, and the relative change of its sum of squares at which it ends."""

TURNS = 2
"""Number of corrected fits."""

SPAN = 1.0
"""Steps of the numerical derivatives of a correction, in standard deviations of the fit."""

OF_SOURCE = "src-"
"""Prefix of the columns of the source."""

NOT_LENSED = {
    "src-effect": (0.02, 2.0), "src-sersic": (0.3, 8.0), "src-ellip-x": (-0.6, 0.6), "src-ellip-y": (-0.6, 0.6),
}  # fmt: skip
"""Ranges of a source that is not lensed, arcsec: a lens makes sources larger and longer, and this must count as little
evidence."""

SMALL, LARGE = 0.1, 0.4
"""Effective radii with which fits of a source that is not lensed begin, arcsec."""

NO_LENS = 1e-3
"""Einstein radius of a lens that does not deflect, arcsec."""


@dataclass(frozen=True)
class ImageData:
    """An image to be fitted.

    Attributes
    ----------
    image : ndarray (H, W), e-/s
    weight : ndarray (H, W)
        One over the standard deviation; 0 in pixels that are not used.
    correlation : float
        Correlation of the noise of adjacent pixels.
    correction : ndarray (1, T, H, W), (1 + D, T, H, W) or 0
        Of the likelihood's templates (`correct`).
    gaussians : LensGaussians or None
        Light of the lens, in place of its Sersic profile.
    """

    image: np.ndarray
    weight: np.ndarray
    correlation: float = 0.0
    correction: np.ndarray | float = 0.0
    gaussians: LensGaussians | None = None

    @property
    def number(self) -> int:
        """Number of used pixels."""
        return int(np.count_nonzero(self.weight))

    def whiten(self, images: np.ndarray) -> np.ndarray:
        """Return images (N, H, W) in units of independent noise: ndarray (N, H * W)."""
        return self.make_independent((images * self.weight).reshape(len(images), -1))

    def make_independent(self, images: np.ndarray) -> np.ndarray:
        """Return images (N, H * W) in units of the noise such that the noise of pixels is independent."""
        shaped = images.reshape(len(images), *self.image.shape)
        return telescope.whiten(shaped, self.correlation).reshape(len(images), -1)


@dataclass(frozen=True)
class ImageFit:
    """Best model of an image.

    Attributes
    ----------
    z : ndarray (D,)
        Standard normal numbers of the columns.
    objective : float
        Chi-square plus the squares of ``z``.
    chi2 : float
        Sum of the squared residual over noise.
    templates : ndarray (T, H, W)
        Images at intensity 1, the last of the background.
    intensities : ndarray (T,), e-/s
    covariance : ndarray (D, D)
        Inverse of the Gauss-Newton matrix in ``z``, priors included.
    """

    z: np.ndarray
    objective: float
    chi2: float
    templates: np.ndarray
    intensities: np.ndarray
    covariance: np.ndarray


def fit_image(
    likelihood: "ImageLikelihood", priors: Priors, data: ImageData, start: np.ndarray, has_source: bool = True
) -> ImageFit:
    """Find the best columns, with the best intensities in every step (variable projection: Kaufman 1975, BIT 15, 49).

    Parameters
    ----------
    likelihood : ImageLikelihood
    priors : Priors
    data : ImageData
    start : ndarray (D,)
        Standard normal numbers.
    has_source : bool
        False: the source has no light.

    Returns
    -------
    ImageFit
    """
    known: dict[bytes, tuple] = {}

    def evaluate(z: np.ndarray) -> tuple:
        if z.tobytes() not in known:
            known.clear()
            templates, derivatives = list_templates(likelihood, priors, data, z, has_source)
            intensities, basis, residual = solve_intensities(templates, data)
            used = basis[:, intensities != 0]
            across, _ = np.linalg.qr(used)
            moving = derivatives.shape[1]
            moved = data.whiten(np.tensordot(intensities[:moving], derivatives, (0, 1))).T
            jacobian = np.concatenate([moved - across @ (across.T @ moved), np.eye(len(z))])
            known[z.tobytes()] = np.append(residual, z), jacobian, templates, intensities
        return known[z.tobytes()]

    found = least_squares(
        lambda z: evaluate(z)[0],
        np.clip(start, -4, 4),
        lambda z: evaluate(z)[1],
        method="trf",
        ftol=TOLERANCE / max(data.number, 1),
        xtol=1e-6,
        max_nfev=MAX_STEPS,
    )
    residual, jacobian, templates, intensities = evaluate(found.x)
    chi2 = float((residual[: -len(found.x)] ** 2).sum())
    covariance = np.linalg.inv(jacobian.T @ jacobian)
    return ImageFit(found.x, float(residual @ residual), chi2, templates, intensities, covariance)


def list_templates(
    likelihood: "ImageLikelihood", priors: Priors, data: ImageData, z: np.ndarray, has_source: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return images of source, lens, its Gaussians and background (T, H, W), and derivatives of the first two or one.

    Arguments are those of `fit_image`; a light that the model does not have is dark.
    """
    templates, derivatives = likelihood.templates(z, priors.array)
    templates, derivatives = correct(templates, z, data.correction, derivatives)
    dark = [*([] if has_source else [0]), *([1] if data.gaussians else [])]
    if dark:
        templates, derivatives = templates.copy(), derivatives.copy()
        templates[dark], derivatives[:, dark] = 0, 0
    more = [data.gaussians.images] if data.gaussians else []
    return np.concatenate([templates[:-1], *more, templates[-1:]]), derivatives[:, :-1]


def fit_finely(
    likelihood: "ImageLikelihood", priors: Priors, data: ImageData, start: np.ndarray, has_source: bool = True
) -> tuple[ImageFit, ImageData]:
    """Fit with the simulator's images: each of `TURNS` fits is corrected at the best point of the one before.

    Arguments are those of `fit_image`.

    Returns
    -------
    ImageFit
    ImageData
        With the correction.
    """
    for _ in range(TURNS):
        data = replace(data, correction=likelihood.correction(start[None], priors))
        found = fit_image(likelihood, priors, data, start, has_source)
        start = found.z
    return found, data


def correct(templates: np.ndarray, z: np.ndarray, correction, derivatives: np.ndarray):
    """Return templates (T, H, W) at z (D,) with a correction that is linear in z, and their derivatives (D, T, H, W).

    The first of the correction's images is added, and the others times z.
    """
    if np.ndim(correction) == 0:
        return templates, derivatives
    templates = templates + correction[0]
    if len(correction) == 1:
        return templates, derivatives
    return templates + np.tensordot(z, correction[1:], 1), derivatives + correction[1:]


def correct_linearly(likelihood: "ImageLikelihood", priors: Priors, data: ImageData, fit: ImageFit) -> ImageData:
    """Return the data with the correction at a fit, and with its derivatives along the axes of the fit's covariance."""
    factor = np.linalg.cholesky(fit.covariance)
    steps = SPAN * factor.T
    images = likelihood.correction(np.concatenate([fit.z[None], fit.z + steps, fit.z - steps]), priors)
    number = len(fit.z)
    along = (images[1 : 1 + number] - images[1 + number :]) / (2 * SPAN)
    slope = np.tensordot(np.linalg.inv(factor).T, along, 1)
    return replace(data, correction=np.concatenate([(images[0] - np.tensordot(fit.z, slope, 1))[None], slope]))


def solve_intensities(templates: np.ndarray, data: ImageData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return intensities (T,), not negative except for the last; weighted templates (P, T); (model - image) / noise."""
    basis, target = data.whiten(templates).T, data.whiten(data.image[None])[0]
    length = np.linalg.norm(basis, axis=0)
    length[length == 0] = 1
    signed = np.column_stack([basis / length, -basis[:, -1] / length[-1]])  # the background of either sign
    found = nnls(signed.T @ signed + 1e-13 * np.eye(signed.shape[1]), signed.T @ target)[0]
    intensities = np.append(found[:-2], found[-2] - found[-1]) / length
    return intensities, basis, basis @ intensities - target


@dataclass(frozen=True)
class Evidence:
    """Whether an image needs a lensed source.

    Attributes
    ----------
    chi2 : float
        Of the lens model.
    without_source, not_lensed : float
        Of models without a source, and with a source of the same profile, anywhere in the field, that is not lensed.
    pixels : int
        Number of used pixels.
    of_source, of_lens : int
        Numbers of parameters that the lens model has in addition.
    """

    chi2: float
    without_source: float
    not_lensed: float
    pixels: int
    of_source: int
    of_lens: int

    @property
    def price(self) -> float:
        """Smallest difference in chi2 for each additional parameter: that of the Bayesian information criterion.

        (Schwarz 1978, Annals of Statistics 6, 461.) If no model describes the image, the noise counts as larger.
        """
        reduced = min(self.chi2, self.not_lensed) / max(self.pixels, 1)
        return float(np.log(max(self.pixels, 2)) * max(reduced, 1))

    @property
    def is_lens(self) -> bool:
        """Whether the image needs the lensed source, and its lens."""
        source, lens = self.without_source - self.chi2, self.not_lensed - self.chi2
        return bool(source > (self.of_source + self.of_lens) * self.price and lens > self.of_lens * self.price)

    @property
    def has_neighbour(self) -> bool:
        """Whether the image needs a source that is not lensed."""
        return bool(self.without_source - self.not_lensed > self.of_source * self.price)

    @property
    def text(self) -> str:
        """One sentence for the user."""
        numbers = (
            f"chi2 {self.chi2:,.0f} with a lensed source, {self.without_source:,.0f} without source, "
            f"{self.not_lensed:,.0f} with a source that is not lensed ({self.pixels:,} pixels)"
        )
        return numbers if self.is_lens else f"no evidence of a lens: {numbers}"


def weigh_evidence(
    likelihood: "ImageLikelihood", priors: Priors, data: ImageData, best: ImageFit
) -> tuple[Evidence, np.ndarray]:
    """Compare the best lens model of an image with models without lensing.

    Parameters
    ----------
    likelihood : ImageLikelihood
    priors : Priors
    data : ImageData
    best : ImageFit
        Fit of the lens model.

    Returns
    -------
    Evidence
    ndarray (H, W)
        Image of the source that is not lensed, e-/s.
    """
    names = np.array(priors.names)
    is_source = np.array([name.startswith(OF_SOURCE) for name in names]) & priors.is_free
    is_lens = np.isin(names, ("einstein-radius-sie", "shear-1", "shear-2", "mass-slope")) & priors.is_free
    start = np.where(is_source | is_lens, 0, best.z)
    without = fit_finely(likelihood, priors, data, start, has_source=False)[0]
    half = (np.array(data.image.shape) - 1) / 2 * likelihood.simulator.parameters.pixel_scale
    flat = {"einstein-radius-sie": (NO_LENS, NO_LENS), "shear-1": (0, 0), "shear-2": (0, 0)}
    anywhere = {"src-center-x": (-half[1], half[1]), "src-center-y": (-half[0], half[0])}
    free = priors.replace(flat | anywhere | NOT_LENSED)
    left = (data.image - np.tensordot(without.intensities, without.templates, 1)) * data.weight
    others = []
    for y, x in _brightest(left, 2):
        x, y = x - half_of(left, 1), half_of(left, 0) - y
        scale = likelihood.simulator.parameters.pixel_scale
        for radius in SMALL, LARGE:
            start = {"src-center-x": x * scale, "src-center-y": y * scale, "src-effect": radius}
            values = dict(zip(priors.names, priors.to_values(without.z), strict=True)) | start
            at = free.to_normal(np.array([values[name] for name in priors.names]))
            others.append(fit_image(likelihood, free, data, at))
    other = min(others, key=lambda fit: fit.objective)
    other = fit_finely(likelihood, free, data, other.z)[0]
    not_lensed = min(other.chi2, without.chi2)
    evidence = Evidence(best.chi2, without.chi2, not_lensed, data.number, int(is_source.sum()) + 1, int(is_lens.sum()))
    return evidence, other.intensities[0] * other.templates[0]


def half_of(image: np.ndarray, axis: int) -> float:
    """Return the middle of an axis, pixels."""
    return (image.shape[axis] - 1) / 2


def _brightest(image: np.ndarray, number: int) -> Sequence[tuple[int, int]]:
    """Return the places of the brightest smoothed pixels, apart from one another."""
    from scipy.ndimage import gaussian_filter

    smooth, reach, places = gaussian_filter(image, 1.5), max(image.shape) // 8, []
    for _ in range(number):
        y, x = np.unravel_index(np.argmax(smooth), smooth.shape)
        places.append((int(y), int(x)))
        smooth[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = -np.inf
    return places
