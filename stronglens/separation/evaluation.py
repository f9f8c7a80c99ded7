"""Test of a separating network beside classical methods, on the same images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stronglens.dataset import Dataset
from stronglens.separation.arrays import LENS, SOURCE
from stronglens.separation.camera import Camera, true_times
from stronglens.separation.metrics import flux_ratio, half_width, interval, peak_ratio, similarity

BINS = 4
"""Bins of equal numbers of images, by signal-to-noise and by the lens's flux over the source's."""

FEWEST = 8
"""Images in a bin, at least."""

INPUT, NETWORK, PERFECT_LENS = "image", "network", "true lens subtracted"


@dataclass(frozen=True, eq=False)
class TestSet:
    """Images of a test set, e-/s, and what they are made of.

    Attributes
    ----------
    rows : ndarray (N,) of int
        Indices in the dataset.
    images, source, lens : ndarray (N, H, W) float32
    times : ndarray (N, 1, 1), s
        True exposure times.
    snr : ndarray (N,)
    camera : Camera
    """

    rows: np.ndarray
    images: np.ndarray
    source: np.ndarray
    lens: np.ndarray
    times: np.ndarray
    snr: np.ndarray
    camera: Camera

    __test__ = False  # not a test of pytest

    @classmethod
    def of(cls, dataset: Dataset, rows: np.ndarray) -> "TestSet":
        """Return some images of a dataset."""
        camera, times = Camera.of(dataset.manifest), true_times(dataset)
        taken = np.full(len(rows), camera.exposure_time) if times is None else times[rows]
        return cls(
            rows, dataset.images[rows], dataset.others[SOURCE][rows], dataset.others[LENS][rows],
            taken[:, None, None], dataset.column_values(["snr"])[rows, 0], camera,
        )  # fmt: skip

    @property
    def rate(self) -> np.ndarray:
        """All light without noise: (N, H, W)."""
        return self.source + self.lens

    @property
    def lens_share(self) -> np.ndarray:
        """Flux of the lens over that of the source: (N,)."""
        return flux_ratio(self.lens, self.source)

    def in_units(self, light: np.ndarray) -> np.ndarray:
        """Return light in units of the true noise: (N, H, W)."""
        return self.camera.to_units(light, self.times)

    def residuals(self, rate: np.ndarray) -> np.ndarray:
        """Return image minus light, over the true standard deviation of each pixel."""
        return (self.images - rate) / np.sqrt(self.camera.variance(self.rate, self.times))


@dataclass(frozen=True, eq=False)
class Separated:
    """What a network makes of images, e-/s: the light without noise, and that of the source; (N, H, W)."""

    denoised: np.ndarray
    source: np.ndarray

    @property
    def lens(self) -> np.ndarray:
        """The light of the lens: what remains."""
        return self.denoised - self.source


def evaluate(
    test: TestSet,
    separated: Separated,
    denoised: Mapping[str, np.ndarray],
    sources: Mapping[str, np.ndarray],
    seed: int,
) -> tuple[dict, dict[str, dict[str, np.ndarray]]]:
    """Compute the metrics of the network and of the methods that it is compared with.

    Parameters
    ----------
    test : TestSet
    separated : Separated
    denoised, sources : mapping of method to ndarray (N, H, W), e-/s
        Of the classical methods.
    seed : int

    Returns
    -------
    metrics : dict
        For ``metrics.json``.
    values : dict of ``denoising``, ``source`` and ``lens`` to dict of method to (N,) PSNR, dB
    """
    denoised = {INPUT: test.images, **denoised, NETWORK: separated.denoised}
    sources = {**sources, PERFECT_LENS: test.images - test.lens, NETWORK: separated.source}
    truths = {
        "denoising": (denoised, test.rate), "source": (sources, test.source),
        "lens": ({NETWORK: separated.lens}, test.lens),
    }  # fmt: skip
    values = {
        part: {name: peak_ratio(one, true) for name, one in found.items()} for part, (found, true) in truths.items()
    }
    metrics: dict = {"images": len(test.rows)}
    for part, (found, true) in truths.items():
        metrics[part] = {
            name: {
                "psnr": interval(values[part][name], seed),
                "psnr_in_units": interval(peak_ratio(test.in_units(one), test.in_units(true)), seed),
                "ssim": interval(similarity(one, true), seed),
            }
            for name, one in found.items()
        }
    best = max((name for name in denoised if name != NETWORK), key=lambda name: values["denoising"][name].mean())
    gain = values["denoising"][NETWORK] - values["denoising"][best]
    metrics["gain"] = {"over": best, "psnr": interval(gain, seed)}
    metrics["chi2"] = interval(np.mean(test.residuals(separated.denoised) ** 2, axis=(1, 2)), seed)
    ratios = {"source": flux_ratio(separated.source, test.source), "lens": flux_ratio(separated.lens, test.lens)}
    metrics["flux"] = {part: _flux_entry(ratio, seed) for part, ratio in ratios.items()}
    metrics["bins"] = {
        name: _in_bins(quantity, values, gain, ratios, seed)
        for name, quantity in (("snr", test.snr), ("lens_over_source_flux", test.lens_share))
    }
    bright = test.snr > 40
    metrics["flux_of_sources_above_snr_40"] = _flux_entry(ratios["source"][bright], seed)
    return metrics, values


def _flux_entry(ratio: np.ndarray, seed: int) -> dict:
    return {"median": interval(ratio, seed, np.median), "half_width": interval(ratio, seed, half_width)}


def _in_bins(quantity: np.ndarray, values, gain: np.ndarray, ratios: Mapping[str, np.ndarray], seed: int) -> list[dict]:
    """Return metrics in bins of equal numbers of images."""
    bins = int(np.clip(len(quantity) // FEWEST, 1, BINS))
    parts = np.array_split(np.argsort(quantity, kind="stable"), bins)
    return [
        {
            "low": float(quantity[part].min()),
            "high": float(quantity[part].max()),
            "images": len(part),
            "psnr": {name: interval(of_part[NETWORK][part], seed) for name, of_part in values.items()},
            "gain": interval(gain[part], seed),
            "flux": {name: _flux_entry(ratio[part], seed) for name, ratio in ratios.items()},
        }
        for part in parts
    ]
