"""Refine a network's posterior: sample that of the image's own likelihood, starting from the network's draws.

The work is done in the process that simulates, in parts: JAX and TensorFlow do not share a process, and the command
shows its progress between two parts.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stronglens.execution import Console
from stronglens.parameters import RunError
from stronglens.regression.image_fit import ImageData, ImageFit, correct_linearly, fit_finely
from stronglens.regression.image_priors import Priors, read_priors
from stronglens.regression.importance import MOST, WANTED, Population
from stronglens.regression.lens_search import POOR, LensSearch
from stronglens.regression.nested import MOST as MOST_NESTED
from stronglens.regression.nested import NestedSampling
from stronglens.regression.refinement import Refinement, describe_draws, make_model, make_pixel_model, place_draws
from stronglens.regression.simulator import make_simulator
from stronglens.regression.trust import effective_number, judge_draws
from stronglens.simulation.chunks import simulator_of

SAME, APART = 10.0, 5.0
"""Largest difference in log density of modes that count, and the smallest distance of another mode from the best one,
in standard deviations."""

SIMILAR, RIVAL = 1.2, 50.0
"""Largest objective of another fit with a Sersic source that also starts one with pixels, relative to that of the best
fit, and the largest difference in log density of two such maxima that is told."""

ROUGH = 0.7
"""Standard deviation of the difference between the logarithms of the density and of that with the simulator's images,
around the best fit, above which the cusp of the source has more rays."""

CHECKED, ENOUGH = 64, 0.5
"""Number of draws whose likelihood is compared with that of the simulator's images, and the smallest effective share of
them, with importance weights, without a note."""

MOST_WITH_PIXELS = 2 * MOST
"""Largest number of draws of the posterior with a source of pixels: it has half as many columns."""

RESAMPLED = 2000
"""Number of draws of equal weight, from weighted ones."""


def refine_lens(
    parameters, labels: Sequence[str], samples: np.ndarray, image: np.ndarray, noise, mask, executor: Executor,
    seed: int, console: Console, name: str, has_pixels: bool = False,
) -> Refinement:  # fmt: skip
    """Sample the posterior of a lens under the likelihood of its image.

    Parameters
    ----------
    parameters : RegressionSimulation
        Of the training set.
    labels : sequence of L str
    samples : ndarray (S, L)
        The network's draws, in the labels' units.
    image : ndarray (H, W), e-/s
    noise : ndarray (H, W) or float, e-/s
        Standard deviation.
    mask : ndarray (H, W) bool or None
        True for pixels that are not used.
    executor : concurrent.futures.Executor
        Works in another process.
    seed : int
    console : Console
    name : str
        Of the image.
    has_pixels : bool
        Whether the source is a grid of pixels.

    Raises
    ------
    RunError
        If too few pixels can be used, or the training set's lenses have no elliptical mass.
    """
    image = np.asarray(image, float)
    noise = np.broadcast_to(np.asarray(noise, float), image.shape)
    is_used = np.isfinite(image) & np.isfinite(noise) & (noise > 0)
    if mask is not None:
        is_used &= ~np.asarray(mask, bool)
    if np.count_nonzero(is_used) < 100:
        raise RunError("--refine needs at least a hundred pixels that are unmasked and have a noise")
    weight = np.where(is_used, 1 / np.where(is_used, noise, 1), 0)
    work = LensRefining(parameters, tuple(labels), seed, has_pixels)
    piece: Any = (np.asarray(samples, float), np.where(is_used, image, 0), weight)
    shown = 0
    with console.progress(WANTED, f"refining {name}", "effective draws", at_once=MOST) as progress:  # of unknown time
        state = executor.submit(work, piece).result()
        while not (state.is_done or state.nested):
            state = executor.submit(work, state).result()
            reached = WANTED if state.is_done else min(int(state.effective), WANTED - 1)
            progress.advance(max(reached - shown, 0))
            shown = max(reached, shown)
    if state.is_done:
        return state
    console.say(
        f"{name}: the posterior is curved or has several maxima; it is sampled from the whole prior, with at most "
        f"{MOST_NESTED:,} likelihoods"
    )
    with console.progress(MOST_NESTED, f"refining {name}", "likelihoods at most") as progress:
        while not state.is_done:
            before = state.nested.number
            state = executor.submit(work, state).result()
            progress.advance(state.nested.number - before)
    return state


def is_apart(modes: Sequence[np.ndarray], fit: ImageFit, is_free: np.ndarray) -> bool:
    """Return whether one of several modes (D,) is another one than that of a fit."""
    factor = np.linalg.cholesky(fit.covariance[np.ix_(is_free, is_free)])
    distances = [np.linalg.norm(np.linalg.solve(factor, (z - fit.z)[is_free])) for z in modes]
    return max(distances, default=0.0) > APART


def compare_densities(likelihood, priors: Priors, data: ImageData, points: np.ndarray) -> np.ndarray:
    """Return the logarithm of the density with the simulator's images, less the own one, at points (N, D): (N,)."""
    density = likelihood.density(priors, data)
    exact = likelihood.judge(points, priors, data.image, data.weight)
    return exact - np.array([density(point) for point in points])


@dataclass(frozen=True)
class LensRefining:
    """One part of the work on an image; called in the process that simulates.

    Attributes
    ----------
    parameters : RegressionSimulation
    labels : tuple of L str
    seed : int
    has_pixels : bool
    """

    parameters: Any
    labels: tuple[str, ...]
    seed: int
    has_pixels: bool = False

    def __call__(self, piece) -> Refinement:
        """Begin with (samples (S, L), image (H, W), weight (H, W)), or continue with a `Refinement`."""
        from stronglens.regression.image_likelihood import likelihood_of

        simulator = simulator_of(make_simulator, self.parameters)
        if isinstance(piece, Refinement):
            if piece.posterior:
                return self._continue_with_pixels(simulator, piece)
            likelihood = likelihood_of(simulator, piece.priors.names, piece.is_fine)
            advance = self._continue_nested if piece.nested else self._continue
            return advance(likelihood, piece)
        samples, image, weight = piece
        if simulator.shape != image.shape:
            raise RunError(f"--refine: the network's images have {simulator.shape} pixels, not {image.shape}")
        priors = read_priors(simulator)
        return self._begin(likelihood_of(simulator, priors.names, False), priors, samples, image, weight)

    def _begin(self, likelihood, priors, samples, image, weight) -> Refinement:
        data, known = ImageData(image, weight, likelihood.correlation), place_draws(priors, self.labels, samples)
        search = LensSearch(likelihood, known, self.seed)
        found = search.run(priors, data)
        if found.evidence.is_lens and found.data.gaussians and not self.has_pixels:
            found = search.describe_with_sersic(priors, found)
        priors, data, best, fits = found.priors, found.data, found.best, found.fits
        state = Refinement(priors, data, best, found.evidence, known, notes=found.notes)
        if not state.is_lens:
            return replace(state, is_done=True)
        if self.has_pixels:
            near = [fit for fit in fits[1:] if fit.objective < SIMILAR * fits[0].objective]
            others = [fit for fit in near if is_apart([fit.z], fits[0], priors.is_free)]
            starts = [best]
            if others and found.is_poor:
                starts.append(fit_finely(likelihood, priors, data, others[0].z)[0])
            state = replace(state, data=replace(data, correction=0.0))
            return self._begin_with_pixels(likelihood.simulator, state, starts)
        data = correct_linearly(likelihood, priors, data, best)
        is_fine = likelihood.simulator.renderer.refine_source and self._is_rough(likelihood, priors, data, best)
        if is_fine:
            from stronglens.regression.image_likelihood import likelihood_of

            likelihood = likelihood_of(likelihood.simulator, priors.names, is_fine)
            best, data = fit_finely(likelihood, priors, data, best.z)
            data = correct_linearly(likelihood, priors, data, best)
        state = replace(state, data=data, best=best, is_fine=is_fine)
        modes = [fit.z for fit in fits[1:] if fit.objective - fits[0].objective < 2 * SAME]
        if is_apart(modes, fits[0], priors.is_free):
            return self._start_nested(state)
        free = priors.is_free
        return replace(state, population=Population.start(best.z[free], best.covariance[np.ix_(free, free)]))

    def _begin_with_pixels(self, simulator, state: Refinement, starts: Sequence[ImageFit]) -> Refinement:
        from stronglens.regression.pixel_fit import fit_pixels

        found = [fit_pixels(simulator, state.priors, state.data, fit) for fit in starts]
        maxima = [population.centres[0] for _, population in found]
        heights = [posterior.log_density(at) for (posterior, _), at in zip(found, maxima, strict=True)]
        best, worst = int(np.argmax(heights)), int(np.argmin(heights))
        posterior, population = found[best]
        away = (maxima[worst] - maxima[best])[:-1]
        distance = np.sqrt(away @ np.linalg.solve(population.covariances[0][:-1, :-1], away))
        notes, lower = [*state.notes], heights[best] - heights[worst]
        if distance > APART and lower < RIVAL:
            notes.append(
                f"SEVERAL MAXIMA: another mass, {distance:.0f} standard deviations away, describes the image nearly as "
                f"well (log density lower by {lower:.1f}). The intervals hold for one of them"
            )
        return replace(state, posterior=posterior, population=population, notes=tuple(notes))

    def _is_rough(self, likelihood, priors, data, best) -> bool:
        """Return whether the density has other values around a fit than with the simulator's images."""
        away = (
            np.random.default_rng(self.seed).normal(size=(CHECKED, len(best.z))) @ np.linalg.cholesky(best.covariance).T
        )
        return bool(np.std(compare_densities(likelihood, priors, data, best.z + away)) > ROUGH)

    def _continue(self, likelihood, state: Refinement) -> Refinement:
        priors, population = state.priors, state.population
        density = likelihood.density(priors, state.data)
        population = population.advance(lambda point: density(priors.place(point)), self.seed)
        state = replace(state, population=population, effective=population.effective)
        if population.is_converged:
            return self._finish(likelihood, state, priors.place(population.resample(RESAMPLED, self.seed)))
        if not population.is_exhausted:
            return state
        return self._start_nested(replace(state, population=None, effective=0.0))

    def _start_nested(self, state: Refinement) -> Refinement:
        return replace(state, nested=NestedSampling.start(int(state.priors.is_free.sum()), self.seed))

    def _continue_nested(self, likelihood, state: Refinement) -> Refinement:
        priors, density = state.priors, likelihood.density(state.priors, state.data)
        nested = state.nested.advance(lambda point: density(priors.place(point)))
        state = replace(state, nested=nested, effective=nested.effective)
        if not (nested.is_converged or nested.is_exhausted):
            return state
        return self._finish(likelihood, state, priors.place(nested.resample(RESAMPLED, self.seed)))

    def _finish(self, likelihood, state: Refinement, z: np.ndarray) -> Refinement:
        priors, nested = state.priors, state.nested
        drawn = dict(zip(priors.names, priors.to_values(z).T, strict=True))
        columns, values = describe_draws(drawn, priors, likelihood.simulator.columns, self.labels)
        model = make_model(state.best, priors, state.data, len(self.labels))
        notes = [state.evidence.text, *state.notes]
        if nested and not nested.is_converged:
            notes.append(
                f"NOT CONVERGED after {nested.number:,} likelihoods of nested sampling: effective number of draws "
                f"{state.effective:.0f}"
            )
        if model.chi2 > POOR:
            notes.append(
                f"the model does not describe the image (reduced chi2 {model.chi2:.3g}): its intervals are too narrow; "
                "--refine-source=pixels has more freedom"
            )
        some = z[np.linspace(0, len(z) - 1, CHECKED).astype(int)]
        share = effective_number(compare_densities(likelihood, priors, state.data, some)) / CHECKED
        if share < ENOUGH:
            notes.append(f"the rays are too coarse for this image: with finer ones, {share:.0%} of the draws count")
        trust = judge_draws(likelihood.density(priors, state.data), priors, state.known, z)
        return replace(
            state, is_done=True, columns=columns, values=values, model=model, trust=trust, share=share,
            notes=tuple(notes),
        )  # fmt: skip

    def _continue_with_pixels(self, simulator, state: Refinement) -> Refinement:
        population = state.population.advance(state.posterior.log_density, self.seed)
        state = replace(state, population=population, effective=population.effective)
        if not (population.is_converged or len(population.draws) >= MOST_WITH_PIXELS):
            return state
        posterior, best = state.posterior, population.centres[0]
        priors, z = posterior.priors, posterior.place(population.resample(RESAMPLED, self.seed))
        drawn = dict(zip(priors.names, priors.to_values(z).T, strict=True))
        labels = [label for label in self.labels if not label.startswith("light-ellip")]
        columns, values = describe_draws(drawn, priors, simulator.columns, labels)
        found = posterior.describe(best)
        model = make_pixel_model(state, found, posterior.place(best), len(self.labels))
        notes = [
            state.evidence.text,
            *state.notes,
            f"source of {found.grid.side} x {found.grid.side} pixels of {found.grid.pixel:.3f} arcsec on average and "
            f"{found.grid.smallest:.3f} in its peak, of which the image determines {found.determined:.0f}; strength of "
            f"its prior {found.strength:.3g}, log evidence {found.log_evidence:,.1f}; "
            f"chi2 {found.chi2:,.0f} of {state.data.number:,} pixels, "
            f"{found.arcs_chi2:,.0f} of {found.arcs_number:,} pixels in the arcs",
        ]
        if not population.is_converged:
            notes.append(
                f"NOT CONVERGED after {len(population.draws):,} weighted draws: effective number "
                f"{population.effective:.0f}, shape of the largest weights {population.tail:.2f}"
            )
        if model.chi2 > POOR:
            notes.append(
                f"the model does not describe the image (reduced chi2 {model.chi2:.3g}): its intervals are too narrow"
            )
        free = priors.is_free
        trust = judge_draws(
            lambda one: posterior.log_density(np.append(one[free], best[-1])), priors, state.known, z
        )  # at one strength
        return replace(
            state, is_done=True, columns=columns, values=values, model=model, trust=trust, notes=tuple(notes),
            source=found, posterior=None,
        )  # fmt: skip
