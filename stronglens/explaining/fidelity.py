"""Does a map tell what the network does? Maps compared with what replacing each block of the image really does."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import rankdata, spearmanr

from stronglens.explaining.bands import background_noise, mean_band
from stronglens.explaining.maps import METHODS, Settings, permuted_weights, why_refused
from stronglens.explaining.occlusion import blur, occlude, patch_corners
from stronglens.explaining.outputs import Output

CONTROLS = ("random", "brightness", "mean-mask")
DELETED = 0.5
"""Fraction of the blocks that are replaced, those of the largest values first."""
CURVE = 16
"""Steps of a deletion curve."""
NOTICED = 1.0
"""Light that is looked for, in standard deviations of the background, is in the mask above this."""
MOST_RANDOM = 16
"""Images whose maps are compared with those of the network with permuted weights."""
LARGEST_RANDOM = 0.1
"""Largest correlation of a map with that of the network with permuted weights."""


@dataclass(frozen=True)
class Fidelity:
    """How true the maps of a method are: means over images. NaN where it cannot be measured.

    Attributes
    ----------
    share : float
        Of the map's positive values, in the mask: where the light that is looked for exceeds the noise.
    auroc : float
        Area under the ROC curve of the map's pixels against the mask.
    pointing : float
        Fraction of images whose largest value is in the mask.
    deletion_zero, deletion_twin : float
        Mean of the probability (or of the remaining share of the change of a label) while the blocks of the upper half
        of the map are replaced, by zero and by those of the twin; lower is better.
    rho : float
        Spearman's correlation with the change of the output when each block is replaced by that of the twin.
    rho_random : float
        Spearman's correlation with the map of the network with permuted weights; 0 is right.
    milliseconds : float
        CPU time of a map.
    images : int
    follows_better, deletes_better : bool
        Whether rho is larger, and the deletion by the twin lower, than those of brightness, with 95 % confidence.
    """

    share: float
    auroc: float
    pointing: float
    deletion_zero: float
    deletion_twin: float
    rho: float
    rho_random: float
    milliseconds: float
    images: int
    follows_better: bool
    deletes_better: bool

    @property
    def verdicts(self) -> list[str]:
        """What is wrong with the maps; empty if nothing is."""
        found = []
        if not (self.follows_better or self.deletes_better):
            found.append("no better than brightness")
        elif not (self.follows_better and self.deletes_better):
            found.append(f"{'deletion' if self.follows_better else 'rho'} no better than brightness")
        if abs(self.rho_random) > LARGEST_RANDOM:
            found.append("fails with random weights")
        return found

    def to_dict(self) -> dict:
        """Return plain data for JSON: None for NaN."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def compare_maps(
    output: Output,
    images: np.ndarray,
    twins: np.ndarray,
    effects: np.ndarray | None,
    settings: Settings,
    methods: Sequence[str],
    advance: Callable[[int], None] = lambda number: None,
) -> tuple[dict[str, Fidelity], dict[str, str]]:
    """Compare maps with the truth, and with three controls that do not look at the network.

    The controls are random numbers, the image itself, and the mean mask of the other images.

    Parameters
    ----------
    output : Output
    images, twins : ndarray (N, H, W) or (N, H, W, B), e-/s
        Images, and the same images without what is looked for.
    effects : ndarray of the same shape or None, e-/s
        Light that is looked for. None: there is no mask.
    settings : Settings
    methods : sequence of str
        Keys of `METHODS`.
    advance : callable
        Called with the number of maps that were computed since the last call; the total is N (1 + M).

    Returns
    -------
    found : dict of str to Fidelity
        By method or control; ``truth`` is the map of the truth itself, the best that a map can be.
    refused : dict of str to str
        Methods without maps, and why.
    """
    truth, heat = [], []
    for image, twin in zip(images, twins, strict=True):
        changes, values, _ = occlude(output, image, twin, settings.patch)
        truth.append(changes)
        heat.append(values)
        advance(1)
    masks = None if effects is None else np.stack([_mask(*one) for one in zip(images, effects, strict=True)])
    maps, spent, refused = {}, {}, {}
    for name in methods:
        advance(len(images))
        if reason := why_refused(output, name):
            refused[name] = reason
            continue
        METHODS[name].make(output, images[:1], settings, twins[:1])  # compiles
        start = time.process_time()
        maps[name] = METHODS[name].make(output, images, settings, twins)
        spent[name] = 1000 * (time.process_time() - start) / len(images)
        if not maps[name].any():
            refused[name] = "zero everywhere: every weighted feature map lowers the output"
            del maps[name]
    few = slice(MOST_RANDOM)
    with permuted_weights(output, settings.seed):
        random_maps = {name: METHODS[name].make(output, images[few], settings, twins[few]) for name in maps}
    maps |= make_controls(images, masks, settings.seed) | {"truth": np.stack(heat)}
    ends = output.score(images), output.score(twins)
    direction = np.sign(ends[0] - ends[1])
    measured = {name: _localise(values * direction[:, None, None], masks) for name, values in maps.items()}
    curves = _delete(output, images, twins, maps, direction, settings.patch)
    found, light = {}, sum_blocks(maps["brightness"], settings.patch)
    bright = [_correlate(one, other) for one, other in zip(light, truth, strict=True)]
    for name, values in maps.items():
        blocks = sum_blocks(values, settings.patch)
        followed = [_correlate(one, other) for one, other in zip(blocks, truth, strict=True)]
        at_random = [np.nan]
        if name in random_maps:
            others = sum_blocks(random_maps[name], settings.patch)
            at_random = [_correlate(one, other) for one, other in zip(blocks[few], others, strict=True)]
        levels = {fill: _level(output, curves[fill][name], *ends) for fill in ("zero", "twin")}
        found[name] = Fidelity(
            *measured[name],
            deletion_zero=float(np.mean(levels["zero"])),
            deletion_twin=float(np.mean(levels["twin"])),
            rho=_mean(followed),
            rho_random=_mean(at_random),
            milliseconds=spent.get(name, np.nan),
            images=len(images),
            follows_better=_is_lower(np.array(bright), np.array(followed)),
            deletes_better=_is_lower(levels["twin"], _level(output, curves["twin"]["brightness"], *ends)),
        )
    return found, refused


def make_controls(images: np.ndarray, masks: np.ndarray | None, seed: int) -> dict[str, np.ndarray]:
    """Return the maps (N, H, W) of the three controls; without masks there are two."""
    light = mean_band(images)
    controls = {"random": np.random.default_rng(seed).random(light.shape), "brightness": light}
    if masks is not None and len(masks) > 1:
        controls["mean-mask"] = (masks.sum(axis=0) - masks) / (len(masks) - 1)
    return controls


def sum_blocks(maps: np.ndarray, patch: int) -> np.ndarray:
    """Return the sums of maps (N, H, W) over the patches of `occlude`: ndarray (N, P)."""
    total = np.pad(maps.astype(float), ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)
    rows, columns = (np.array(patch_corners(side, patch, patch)) for side in maps.shape[1:])
    below, right = rows + min(patch, maps.shape[1]), columns + min(patch, maps.shape[2])
    sums = (
        total[:, below][:, :, right] - total[:, rows][:, :, right]
        - total[:, below][:, :, columns] + total[:, rows][:, :, columns]
    )  # fmt: skip
    return sums.reshape(len(maps), -1)


def blurred(images: np.ndarray) -> np.ndarray:
    """Return images (N, H, W[, B]) smoothed with a Gaussian of 3 pixels: twins of images that were not simulated."""
    return np.stack([blur(image) for image in images])


def from_dict(entries: Mapping) -> Fidelity:
    """Return what `Fidelity.to_dict` wrote."""
    return Fidelity(**{name: np.nan if value is None else value for name, value in entries.items()})


def describe_fidelity(found: Mapping[str, Mapping], name: str) -> list[str]:
    """Return the lines beneath a map, from the record of a test: dict of method to `Fidelity.to_dict`."""
    one, brightness = from_dict(found[name]), from_dict(found["brightness"])
    others = f"brightness {brightness.rho:.2f}"
    if np.isfinite(one.rho_random):
        others += f"; random weights {one.rho_random:.2f}"
    return [f"follows the network: rho {one.rho:.2f}", others, *one.verdicts]


def _mask(image: np.ndarray, effect: np.ndarray) -> np.ndarray:
    return np.abs(mean_band(effect)) > NOTICED * background_noise(mean_band(image))


def _localise(maps: np.ndarray, masks: np.ndarray | None) -> tuple[float, float, float]:
    if masks is None:
        return np.nan, np.nan, np.nan
    shares, areas, points = [], [], []
    for one, mask in zip(maps, masks, strict=True):
        inside = int(mask.sum())
        if not 0 < inside < mask.size:
            continue
        positive = np.maximum(one, 0)
        shares.append(positive[mask].sum() / positive.sum() if positive.any() else 0.0)
        ranks = rankdata(one.ravel())[mask.ravel()]
        areas.append((ranks.sum() - inside * (inside + 1) / 2) / (inside * (mask.size - inside)))
        points.append(mask.ravel()[one.argmax()])
    return _mean(shares), _mean(areas), _mean(points)


def _delete(output, images, twins, maps: Mapping[str, np.ndarray], direction, patch: int) -> dict[str, dict]:
    """Return the scores (N, 17) while the blocks of largest value are replaced, by fill and by name of the maps."""
    height, width = images.shape[1:3]
    corners = [(r, c) for r in patch_corners(height, patch, patch) for c in patch_corners(width, patch, patch)]
    counts = np.linspace(0, DELETED * len(corners), CURVE + 1).round().astype(int)
    curves: dict[str, dict] = {fill: {name: np.empty((len(images), CURVE + 1)) for name in maps}
                               for fill in ("zero", "twin")}  # fmt: skip
    for number, image in enumerate(images):
        orders = {
            name: np.argsort(-direction[number] * sum_blocks(values[number][None], patch)[0], kind="stable")
            for name, values in maps.items()
        }
        for fill, filled in (("zero", np.zeros_like(image)), ("twin", twins[number])):
            batch = []
            for order in orders.values():
                copy = image.copy()
                for start, end in zip([0, *counts[:-1]], counts, strict=True):
                    for block in order[start:end]:
                        row, column = corners[block]
                        at = slice(row, row + patch), slice(column, column + patch)
                        copy[at] = filled[at]
                    batch.append(copy.copy())
            scores = output.score(np.stack(batch)).reshape(len(maps), -1)
            for name, of_map in zip(maps, scores, strict=True):
                curves[fill][name][number] = of_map
    return curves


def _level(output: Output, scores: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the level of each image's deletion curve, (N,): mean probability, or mean share that remains."""
    if output.is_logit:
        return np.mean(1 / (1 + np.exp(-scores)), axis=1)
    whole = np.mean(np.abs(start - end))
    remaining = np.sign(start - end)[:, None] * (scores - end[:, None])
    return remaining.mean(axis=1) / max(whole, 1e-30)


def _is_lower(levels: np.ndarray, others: np.ndarray) -> bool:
    gain = (others - levels)[np.isfinite(others - levels)]
    if len(gain) < 2 or not gain.any():
        return False
    return bool(gain.mean() > 1.96 * gain.std(ddof=1) / np.sqrt(len(gain)))


def _correlate(one: np.ndarray, other: np.ndarray) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return np.nan
    return float(spearmanr(one, other).statistic)


def _mean(values: Sequence[float]) -> float:
    good = [value for value in values if np.isfinite(value)]
    return float(np.mean(good)) if good else np.nan
