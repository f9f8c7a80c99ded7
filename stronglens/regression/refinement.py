"""A refined posterior: the state of the work on an image, and the draws and the model that it gives."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stronglens.lens_models import circular_einstein_radius
from stronglens.parameters import Column
from stronglens.regression.image_fit import Evidence, ImageData, ImageFit
from stronglens.regression.image_priors import Priors
from stronglens.regression.importance import Population
from stronglens.regression.lens_model import LensModel
from stronglens.regression.lens_shape import add_light, critical_curve, intermediate_axis_radius
from stronglens.regression.nested import NestedSampling
from stronglens.regression.pixel_posterior import PixelModel, PixelPosterior
from stronglens.regression.trust import Trust
from stronglens.simulation.columns import DERIVED_COLUMNS


@dataclass(frozen=True)
class Refinement:
    """Posterior of one lens under the likelihood of its image.

    Attributes
    ----------
    priors, data, best, evidence :
        State of the work (see `image_priors` and `image_fit`).
    is_fine : bool
        Whether the likelihood has more rays around the cusp of the source.
    known : ndarray (S, D)
        The network's draws as standard normal numbers; NaN for columns that it has not learned.
    is_done : bool
    columns : list of M Column
        Columns of the result; empty until the work is done, or without evidence of a lens.
    values : ndarray (S, M)
        Draws of equal weight, in the unit of each column.
    model : LensModel or None
        Image of the best model.
    trust : Trust or None
    effective : float
        Effective number of draws.
    share : float
        Effective share of the draws when they are weighted with the simulator's images, whose rays are finer.
    notes : tuple of str
    posterior : PixelPosterior or None
        With a source of pixels.
    population : Population or None
        Weighted draws.
    nested : NestedSampling or None
        In place of the population, if the posterior is curved or has several maxima.
    source : PixelModel or None
    """

    priors: Priors
    data: ImageData
    best: ImageFit
    evidence: Evidence
    known: np.ndarray
    is_done: bool = False
    is_fine: bool = False
    columns: tuple[Column, ...] = ()
    values: np.ndarray | None = None
    model: LensModel | None = None
    trust: Trust | None = None
    effective: float = 0.0
    share: float = 1.0
    notes: tuple[str, ...] = ()
    posterior: PixelPosterior | None = None
    population: Population | None = None
    nested: NestedSampling | None = None
    source: PixelModel | None = None

    @property
    def is_lens(self) -> bool:
        """Whether the image needs a lensed source."""
        return self.evidence.is_lens

    @property
    def effort(self) -> str:
        """What the work was, in one line."""
        work = (
            f"{self.nested.number:,} likelihoods of nested sampling"
            if self.nested
            else f"{len(self.population.draws):,} weighted draws"
        )
        return f"{work}, effective number {self.effective:.0f}; reduced chi2 {self.model.chi2:.3g}"


def place_draws(priors, labels: Sequence[str], samples: np.ndarray) -> np.ndarray:
    """Return a network's draws (S, L) as standard normal numbers (S, D); NaN for columns that it has not learned.

    Parameters
    ----------
    priors : Priors
    labels : sequence of L str
    samples : ndarray (S, L), unit of each label
    """
    learned = dict(zip(labels, np.asarray(samples, float).T, strict=True))
    if "einstein-radius" in learned and "einstein-radius-sie" not in learned:
        ellipticity = np.hypot(*(learned.get(f"lens-ellip-{axis}", np.zeros(len(samples))) for axis in "xy"))
        learned["einstein-radius-sie"] = intermediate_axis_radius(
            learned["einstein-radius"], ellipticity, learned.get("mass-slope")
        )
    for axis in "xy":
        light, mass = f"light-ellip-{axis}", f"lens-ellip-{axis}"
        if light in learned and mass in learned:
            learned[f"light-ellip-offset-{axis}"] = learned[light] - learned[mass]
    missing = np.full(len(samples), np.nan)
    z = priors.to_normal(np.stack([learned.get(name, missing) for name in priors.names], axis=1))
    return np.where(priors.is_free, z, 0.0)


def describe_draws(drawn, priors, known_columns, labels: Sequence[str]) -> tuple[tuple[Column, ...], np.ndarray]:
    """Return the free columns, and labels that follow from them: descriptions, and draws (S, M)."""
    values = {name: drawn[name] for name, free in zip(priors.names, priors.is_free, strict=True) if free}
    ellipticity = np.hypot(drawn["lens-ellip-x"], drawn["lens-ellip-y"])
    values["einstein-radius"] = circular_einstein_radius(
        drawn["einstein-radius-sie"], ellipticity, drawn.get("mass-slope")
    )
    for axis in "xy":
        if f"light-ellip-{axis}" in labels and f"light-ellip-{axis}" not in values:
            values[f"light-ellip-{axis}"] = drawn[f"lens-ellip-{axis}"] + drawn.get(f"light-ellip-offset-{axis}", 0)
    described = {name: known_columns.get(name) or DERIVED_COLUMNS[name] for name in values}
    order = sorted(values, key=lambda name: list(labels).index(name) if name in labels else len(labels))
    return tuple(described[name] for name in order), np.stack([values[name] for name in order], axis=1)


def make_model(best, priors, data, candidates: int, of_source: float = 0.0) -> LensModel:
    """Return the image of the best model, whose source has a number of free pixels."""
    columns = add_light(dict(zip(priors.names, priors.to_values(best.z)[:, None], strict=True)), {})
    values = {name: float(column[0]) for name, column in columns.items()}
    source, *lens = best.intensities[:-1, None, None] * best.templates[:-1]
    background = float(best.intensities[-1])
    image = source + sum(lens) + background
    residual = np.where(data.weight > 0, (data.image - image) * data.weight, np.nan)
    chi2 = best.chi2 / max(data.number - len(best.intensities) - int(priors.is_free.sum()) - of_source, 1)
    return LensModel(
        values=values,
        source=source,
        lens=lens[0] if lens else np.zeros_like(source),
        background=background,
        src_intensity=float(best.intensities[0]),
        lens_intensity=float(best.intensities[1]) if lens else 0.0,
        residual=residual,
        chi2=float(chi2),
        best_chi2=float(chi2),
        candidates=candidates,
        fitted={},
        critical_curve=critical_curve(values),
        notes=(),
    )


def make_pixel_model(state: Refinement, found: PixelModel, z: np.ndarray, candidates: int) -> LensModel:
    """Return the image of the best model with a source of pixels; the centre of the source is that of its light."""
    templates = np.stack([found.source, found.lens, np.ones_like(found.source)])
    intensities = np.array([1.0, 1.0, found.background])
    best = ImageFit(z, found.chi2, found.chi2, templates, intensities, state.best.covariance)
    of_source = found.determined + found.lights - len(intensities) + 1
    model = make_model(best, state.posterior.priors, state.data, candidates, of_source)
    values = model.values | dict(zip(("src-center-x", "src-center-y"), found.centre, strict=True))
    return replace(model, values=values)
