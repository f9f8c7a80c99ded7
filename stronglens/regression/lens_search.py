"""Search for the best models of the image of a lens, and for evidence that it is one.

The first search has one Sersic profile for the light of the lens. Real galaxies are not so simple, and where they are
bright, what is left of them hides the arcs. If the image is not described, the search is repeated with a sum of
Gaussians; if there is still no evidence, without the pixels of a neighbour.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.optimize import least_squares

from stronglens.regression.image_fit import (
    Evidence,
    ImageData,
    ImageFit,
    fit_finely,
    fit_image,
    half_of,
    list_templates,
    solve_intensities,
    weigh_evidence,
)
from stronglens.regression.image_priors import Priors
from stronglens.regression.lens_gaussians import LensGaussians, geometry_of_sersic, render_gaussians
from stronglens.regression.lens_shape import OF_LENS_LIGHT, add_light

TRIED, FITTED = 32, 2
"""Numbers of the network's draws (and of draws from the prior) that are compared with the image, and of the best of
them that start a fit."""

MORE, MORE_FITTED = 4, 4
"""Number of further searches if there is no evidence of a lens or the best model is poor, and of fits from each kind of
draws in each."""

POOR = 1.2
"""Reduced chi-square above which the model does not describe the image."""

NEIGHBOURS, AROUND = 2, 2
"""Largest number of neighbours, and pixels around one that are not used."""

SCALE, STEPS = np.array([0.01, 0.01, 0.05, 0.05, 0.05, 0.05]), 20
"""Scale of the centre (arcsec) and of the ellipticities in a fit of Gaussians, and the largest number of its steps."""

GAUSSIANS = "the light of the lens is no Sersic profile: these are with a sum of Gaussians"


@dataclass(frozen=True)
class Search:
    """Result of a search.

    Attributes
    ----------
    priors : Priors
    data : ImageData
        With the correction at the best fit.
    fits : tuple of ImageFit
        Different fits without correction, the best one first.
    best : ImageFit
    evidence : Evidence
    neighbour : ndarray (H, W)
        Image of the source in the best model without lensing, e-/s.
    notes : tuple of str
    """

    priors: Priors
    data: ImageData
    fits: tuple[ImageFit, ...]
    best: ImageFit
    evidence: Evidence
    neighbour: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def is_poor(self) -> bool:
        """Whether the best model does not describe the image."""
        return self.best.chi2 > POOR * self.data.number


class LensSearch:
    """Searches in one image.

    Parameters
    ----------
    likelihood : ImageLikelihood
    known : ndarray (S, D)
        The network's draws as standard normal numbers; NaN for columns that it has not learned.
    seed : int
    """

    def __init__(self, likelihood, known: np.ndarray, seed: int):
        self.likelihood, self.known = likelihood, known
        self.random = np.random.default_rng(seed)
        self.is_known = np.isfinite(known).all(axis=0)

    def run(self, priors: Priors, data: ImageData) -> Search:
        """Search with a Sersic profile, and if necessary with Gaussians and without neighbours."""
        middle = np.where(self.is_known, np.nanmedian(np.where(self.is_known, self.known, 0), axis=0), 0)
        found = self._search(priors, data, middle)
        if found.is_poor and self.likelihood.simulator.renderer.lens_light:
            found = self._search_with_gaussians(found)
        found = self._search_more(found)
        for _ in range(NEIGHBOURS):
            if found.evidence.is_lens or not found.evidence.has_neighbour:
                break
            found = self._search_more(self._search_without_neighbour(found))
        return found

    def describe_with_sersic(self, priors: Priors, found: Search) -> Search:
        """Return a result without Gaussians, which has the evidence of the one with them."""
        data = replace(found.data, gaussians=None, correction=0.0)
        start = priors.to_normal(found.priors.to_values(found.best.z))
        fit = fit_image(self.likelihood, priors, data, start)
        best, data = fit_finely(self.likelihood, priors, data, fit.z)
        return replace(found, priors=priors, data=data, fits=(fit,), best=best)

    def _search(self, priors: Priors, data: ImageData, start: np.ndarray, notes: tuple[str, ...] = ()) -> Search:
        first = fit_image(self.likelihood, priors, data, start)
        some = np.linspace(0, len(self.known) - 1, min(TRIED, len(self.known))).astype(int)
        fits = self._fit_best(priors, data, (first,), self.known[some], ~self.is_known, FITTED)
        fits = self._fit_best(priors, data, fits, *self._draw(priors), FITTED)
        if data.gaussians:  # again, without the source
            source = fits[0].intensities[0] * fits[0].templates[0]
            data = self._fit_gaussians(data, data.gaussians.geometry, source)
            fits = (fit_image(self.likelihood, priors, data, fits[0].z), *fits[1:])
        best, data = fit_finely(self.likelihood, priors, data, fits[0].z)
        evidence, other = weigh_evidence(self.likelihood, priors, data, best)
        if data.gaussians:  # the others need their own Gaussians
            rival = self._fit_gaussians(data, data.gaussians.geometry, other)
            again, rest = weigh_evidence(self.likelihood, priors, rival, best)
            evidence = replace(evidence, without_source=min(evidence.without_source, again.without_source))
            if again.not_lensed < evidence.not_lensed:
                evidence, other = replace(evidence, not_lensed=again.not_lensed), rest
        return Search(priors, data, fits, best, evidence, other, notes)

    def _search_more(self, found: Search) -> Search:
        """Fit from other points while there is no evidence or the best model is poor.

        A faint source is easily missed, and there are many maxima if the source is lumpy.
        """
        for _ in range(MORE):
            if found.evidence.is_lens and not found.is_poor:
                break
            priors, data = found.priors, found.data
            fits = self._fit_best(priors, data, found.fits, *self._draw(priors), MORE_FITTED)
            some = self.random.choice(self.known, TRIED)
            fits = self._fit_best(priors, data, fits, some, ~self.is_known, MORE_FITTED)
            found = replace(found, fits=fits)
            if fits[0].objective < found.best.objective:
                best, data = fit_finely(self.likelihood, priors, data, fits[0].z)
                found = replace(found, data=data, best=best, evidence=replace(found.evidence, chi2=best.chi2))
        return found

    def _search_with_gaussians(self, found: Search) -> Search:
        """Search with Gaussians in place of the Sersic profile, whose columns are held."""
        names, values = found.priors.names, found.priors.to_values(found.best.z)
        held = {
            name: (value, value) for name, value in zip(names, values, strict=True) if name.startswith(OF_LENS_LIGHT)
        }
        priors = found.priors.replace(held)
        columns = add_light(dict(zip(names, values[:, None], strict=True)), {})
        start = geometry_of_sersic({name: float(column[0]) for name, column in columns.items()})
        data = self._fit_gaussians(replace(found.data, correction=0.0), start)
        return self._search(priors, data, np.where(priors.is_free, found.best.z, 0), (GAUSSIANS,))

    def _search_without_neighbour(self, found: Search) -> Search:
        """Search without the pixels in which the source that is not lensed is brighter than the noise."""
        is_bright = found.neighbour * found.data.weight > 1
        if not is_bright.any():
            return found
        hidden = binary_dilation(is_bright, iterations=AROUND)
        data = replace(found.data, correction=0.0, weight=np.where(hidden, 0, found.data.weight))
        if data.number < found.data.number / 2:
            return found
        if data.gaussians:
            data = self._fit_gaussians(data, data.gaussians.geometry)
        row, column = np.unravel_index(np.argmax(found.neighbour), found.neighbour.shape)
        scale = self.likelihood.simulator.telescope.pixel_scale
        x, y = (column - half_of(hidden, 1)) * scale, (half_of(hidden, 0) - row) * scale
        note = f"a neighbour at ({x:.1f}, {y:.1f}) arcsec is left out: {np.count_nonzero(hidden):,} pixels"
        return self._search(found.priors, data, found.best.z, (*found.notes, note))

    def _fit_gaussians(self, data: ImageData, start: np.ndarray, source: np.ndarray | float = 0.0) -> ImageData:
        """Return the data with the Gaussians that describe the image, less that of a source, best."""
        shape, telescope = data.image.shape, self.likelihood.simulator.telescope
        rest = replace(data, image=data.image - source)

        def render(geometry: np.ndarray) -> np.ndarray:
            return render_gaussians(geometry, shape, telescope.psf, telescope.pixel_scale)

        found = least_squares(
            lambda geometry: solve_intensities(render(geometry), rest)[2], start, x_scale=SCALE, max_nfev=STEPS
        )
        return replace(data, gaussians=LensGaussians(found.x, render(found.x)[:-1]))

    def _draw(self, priors: Priors) -> tuple[np.ndarray, np.ndarray]:
        """Return points (N, D) from the prior, and the columns that a fit knows better: the light of the lens."""
        is_light = np.array([name.startswith(("lens-center", "lens-effect", "lens-sersic")) for name in priors.names])
        return self.random.normal(size=(TRIED, len(priors.names))), is_light

    def _fit_best(
        self, priors: Priors, data: ImageData, fits: tuple[ImageFit, ...], tried: np.ndarray, is_kept: np.ndarray,
        number: int,
    ) -> tuple[ImageFit, ...]:  # fmt: skip
        """Fit from the best of some points (N, D), whose kept columns are those of the first fit; return all fits."""
        tried = np.where(is_kept | ~priors.is_free, fits[0].z, tried)

        def judge(z: np.ndarray) -> float:
            templates, _ = list_templates(self.likelihood, priors, data, z)
            residual = solve_intensities(templates, data)[2]
            return float(residual @ residual + z @ z)

        order = np.argsort([judge(z) for z in tried])
        more = [fit_image(self.likelihood, priors, data, tried[one]) for one in order[:number]]
        return tuple(sorted([*fits, *more], key=lambda fit: fit.objective))
