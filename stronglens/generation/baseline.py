"""Simple models of scikit-learn: mixture of normal distributions, Gaussian process, classifier of two samples."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

MIXTURE = 16
"""Most normal distributions in a mixture."""

FOLDS = 4

# Libraries are limited to one thread: on a busy machine, several wait for each other far longer than they work.


def fit_mixture(points: np.ndarray, seed: int) -> dict[str, Any]:
    """Fit a mixture of normal distributions with full covariances.

    Parameters
    ----------
    points : ndarray (N, D)
    seed : int

    Returns
    -------
    dict
        ``weights`` (K,), ``means`` (K, D), ``covariances`` (K, D, D), as lists.
    """
    number = int(np.clip(len(points) // (10 * points.shape[1]), 1, MIXTURE))
    mixture = GaussianMixture(number, random_state=seed, reg_covar=1e-4, max_iter=200).fit(points)
    return {
        "weights": mixture.weights_.tolist(),
        "means": mixture.means_.tolist(),
        "covariances": mixture.covariances_.tolist(),
    }


def sample_mixture(
    mixture: Mapping, number: int, random: np.random.Generator, condition: np.ndarray | None = None
) -> np.ndarray:
    """Draw points from a mixture, given the last dimensions of each.

    Parameters
    ----------
    mixture : mapping
        As `fit_mixture` returns it.
    number : int
    random : numpy.random.Generator
    condition : ndarray (number, C), optional
        Values of the last C dimensions.

    Returns
    -------
    ndarray (number, D - C)
    """
    weights, means, covariances = (np.asarray(mixture[name]) for name in ("weights", "means", "covariances"))
    free = means.shape[1] - (0 if condition is None else condition.shape[1])
    log_weights = np.tile(np.log(weights), (number, 1))
    shifts = np.zeros((number, len(weights), free))
    factors = []
    for place, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        inner = covariance[:free, :free]
        if condition is not None:
            away = condition - mean[free:]
            solved = np.linalg.solve(covariance[free:, free:], away.T).T
            log_weights[:, place] -= 0.5 * np.sum(away * solved, axis=1)
            log_weights[:, place] -= 0.5 * np.linalg.slogdet(covariance[free:, free:])[1]
            shifts[:, place] = solved @ covariance[free:, :free]
            inner = inner - covariance[:free, free:] @ np.linalg.solve(
                covariance[free:, free:], covariance[free:, :free]
            )
        factors.append(np.linalg.cholesky(inner + 1e-9 * np.eye(free)))
    shares = np.exp(log_weights - log_weights.max(axis=1, keepdims=True)).cumsum(axis=1)
    chosen = (random.random((number, 1)) * shares[:, -1:] > shares).sum(axis=1)
    noise = random.standard_normal((number, free, 1))
    spread = (np.array(factors)[chosen] @ noise)[..., 0]
    return means[chosen, :free] + shifts[np.arange(number), chosen] + spread


def tell_apart(one: np.ndarray, other: np.ndarray, seed: int) -> float:
    """Return how well a classifier tells two samples apart (C2ST): its area under the curve, 0.5 for equal ones.

    Gradient-boosted trees, each fold tested by trees of the others (Lopez-Paz & Oquab 2017, ICLR, "Revisiting
    classifier two-sample tests").

    Parameters
    ----------
    one, other : ndarray (N, F), (M, F)
    seed : int
    """
    features = np.concatenate([one, other])
    truth = np.repeat([0, 1], [len(one), len(other)])
    folds = np.random.default_rng(seed).permutation(len(truth)) % FOLDS
    scores = np.empty(len(truth))
    for fold in range(FOLDS):
        classifier = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.1, random_state=seed)
        with threadpool_limits(1):
            classifier.fit(features[folds != fold], truth[folds != fold])
            scores[folds == fold] = classifier.predict_proba(features[folds == fold])[:, 1]
    return float(roc_auc_score(truth, scores))


def fit_process(points: np.ndarray, labels: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Fit a Gaussian process with a Gaussian kernel and noise, whose sizes maximise the likelihood.

    Parameters
    ----------
    points : ndarray (N, D)
    labels : ndarray (N,)
    seed : int

    Returns
    -------
    callable
        Takes points (M, D), returns labels (M,).
    """
    mean, deviation = points.mean(axis=0), np.maximum(points.std(axis=0), 1e-12)
    kernel = ConstantKernel(1.0, (1e-2, 1e4)) * RBF(np.sqrt(points.shape[1]), (0.1, 1e3)) + WhiteKernel(0.1, (1e-6, 10))
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=seed)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a size at the end of its range is a good answer
        process.fit((points - mean) / deviation, labels)
    return lambda others: process.predict((others - mean) / deviation)


def load_iris() -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths (150, 4), cm, and the species (150,) of Fisher's (1936) Iris flowers."""
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)
