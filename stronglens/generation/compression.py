"""Error of restored images, beside principal components of the same number on the same images."""

from collections.abc import Mapping

import numpy as np

from stronglens.evaluation import count_draws, draw_resamples, make_entry

RESAMPLES = 1000
LEVEL = 0.95


def squared_errors(restored: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the mean squared difference of the pixels of each image, (N,), from pixels (N, P)."""
    return np.square(restored - wanted).mean(axis=1, dtype=np.float64)


def compression_metrics(
    network: Mapping[str, np.ndarray], components: Mapping[str, np.ndarray], noise: np.ndarray | None, seed: int
) -> dict:
    """Compare the errors of a network with those of principal components.

    Parameters
    ----------
    network, components : dict of ``image`` and ``truth`` to ndarray (N,)
        Mean squared error of each image against the stored image, and against that without noise, which may be missing.
    noise : ndarray (N,) or None
        Mean squared difference of the stored images from those without noise.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        For ``image`` and ``truth``: root mean square errors ``network`` and ``pca``, and ``ratio``, the former over
        the latter; each with its 95 % interval from the same resamples of the images (paired bootstrap). ``noise`` is
        the root mean square of the noise.
    """
    metrics: dict = {}
    for against in network:
        ours, theirs = network[against], components[against]
        drawn = np.full((3, RESAMPLES), np.nan)
        for where, which in draw_resamples(np.random.default_rng(seed), len(ours), RESAMPLES):
            counts = count_draws(which)
            sums = counts @ ours / len(ours), counts @ theirs / len(ours)
            drawn[:, where] = np.sqrt([sums[0], sums[1], sums[0] / sums[1]])
        values = np.sqrt([ours.mean(), theirs.mean(), ours.mean() / theirs.mean()])
        metrics[against] = {
            name: make_entry(value, some, LEVEL, "no error")
            for name, value, some in zip(("network", "pca", "ratio"), values, drawn, strict=True)
        }
    if noise is not None:
        metrics["noise"] = float(np.sqrt(noise.mean()))
    return metrics


def describe_compression(metrics: Mapping, kind: str, latents: int) -> list[str]:
    """Return lines that say how well images are restored.

    Parameters
    ----------
    metrics : dict
        As `compression_metrics` returns it.
    kind : str
        Name of the network.
    latents : int
    """
    width = max(len(kind), 7)
    lines = [f"{'RMS error [stretched units]':<30} {kind:>{width}}  {'PCA':>7}  ratio [95 % interval]"]
    for against, text in (("image", "against the images"), ("truth", "against noise-free images")):
        if against in metrics:
            ours, theirs, ratio = (metrics[against][name] for name in ("network", "pca", "ratio"))
            verdict = "" if ratio["low"] is None or not ratio["low"] <= 1 <= ratio["high"] else ": no difference shown"
            interval = "" if ratio["low"] is None else f" [{ratio['low']:.3f}, {ratio['high']:.3f}]"
            numbers = f"{ours['value']:>{width}.4f}  {theirs['value']:>7.4f}"
            lines.append(f"{text:<30} {numbers}  {ratio['value']:.3f}{interval}{verdict}")
    if "noise" in metrics:
        lines.append(f"{'noise of the images':<30} {metrics['noise']:>{width}.4f}")
    return [f"Images from {latents} codes", *lines]


def describe_by_latents(by_latents: Mapping[int, Mapping], kind: str) -> list[str]:
    """Return a table of the errors of several numbers of codes, from `compression_metrics` of each."""
    against = "truth" if all("truth" in metrics for metrics in by_latents.values()) else "image"
    what = "noise-free images" if against == "truth" else "the images"
    lines = [f"RMS error against {what}, by the number of codes", f"{'codes':>5}  {kind:>11}  {'PCA':>7}  ratio"]
    for latents, metrics in sorted(by_latents.items()):
        ours, theirs, ratio = (metrics[against][name] for name in ("network", "pca", "ratio"))
        interval = "" if ratio["low"] is None else f" [{ratio['low']:.3f}, {ratio['high']:.3f}]"
        lines.append(f"{latents:>5}  {ours['value']:>11.4f}  {theirs['value']:>7.4f}  {ratio['value']:.3f}{interval}")
    return lines


def find_inactive(codes: np.ndarray, log_variance: np.ndarray, threshold: float = 0.01) -> np.ndarray:
    """Return which codes of a variational network do not depend on the image.

    A code is inactive if the variance of its mean over images is below a threshold (Burda et al. 2016, ICLR,
    "Importance weighted autoencoders", section 5.2); its distribution is then the prior.

    Parameters
    ----------
    codes, log_variance : ndarray (N, L)
    threshold : float

    Returns
    -------
    ndarray (L,) bool
    """
    return (codes.var(axis=0) < threshold) & (np.exp(log_variance).mean(axis=0) > 0.5)
