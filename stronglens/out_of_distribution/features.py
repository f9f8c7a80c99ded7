"""Features of images in which a training set's images can be told from others."""

from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from stronglens.training import keras

DRAWS = 100
"""Draws from each posterior: its width is then known to 7 %."""
OUTERMOST = 4.0
"""Bound on a draw in the space of labels, so that a single outlier of a flow does not dominate the width."""

SCALES = (1, 2, 4, 8)
"""Smoothing scales of the texture, pixels."""
SHARES = (0.0, 0.01, 0.1, 0.25, 0.75, 0.9, 0.99, 1.0)
FAINT = 0.01
"""Softening of the texture, in units of the stretched image, in which training pixels have the deviation 1."""
BLOCK = 256


def build_feature_extractor(network: keras.Model) -> keras.Model:
    """Return the part of a network in front of its last layers: images (N, H, W), e-/s, to features (N, F)."""
    layers = {layer.name: layer for layer in network.layers}
    if "summary" in layers:
        return keras.Model(network.inputs[0], layers["summary"].output)
    last = layers["standardised_labels"] if "standardised_labels" in layers else layers["logits"]
    return keras.Model(network.inputs[0], last.input)


class ImageFeatures:
    """Compute the features of images that the out-of-distribution score uses.

    Called with images (N, H, W), e-/s, it returns a dict of each of `ASPECTS` to (N, F) numbers: the network's summary;
    the standard deviations of the posterior in the labels' space, in which that of the prior is 1 and the end of a
    range lies far out; the centroid of what is brighter in the stretched image (`scaling.stretch_images`) than its
    lower quartile, which neighbours and an offset move; and quantiles of what smoothing over 1, 2, 4 and 8 pixels takes
    from it, on a logarithmic scale of either sign, which tell noise, blur, pixel size and units. Under ``"output"`` it
    returns what the network gives, where its only input is the image.

    Parameters
    ----------
    network : keras.Model, of any task
    posterior : object with ``sample`` and ``space``, optional
        The posterior of that network, where it gives one.
    """

    def __init__(self, network: keras.Model, posterior: Any = None):
        self._parts = {
            "summary": build_feature_extractor(network).output,
            "stretched": network.get_layer("normalised_image").output,
        }
        if len(network.inputs) == 1:
            self._parts["output"] = network.output
        self._model = keras.Model(network.inputs[0], list(self._parts.values()))
        self._posterior = posterior

    def __call__(self, images) -> dict[str, np.ndarray]:
        """Return the features of images (N, H, W): dict of name to (N, F)."""
        found: dict[str, list] = {}
        for start in range(0, len(images), BLOCK):
            for name, values in self._look(images[start : start + BLOCK]).items():
                found.setdefault(name, []).append(values)
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def _look(self, images: np.ndarray) -> dict[str, np.ndarray]:
        seen = dict(zip(self._parts, self._model.predict(images, batch_size=BLOCK, verbose=0), strict=True))
        stretched = seen.pop("stretched")
        if self._posterior is not None:
            draws = self._posterior.sample(seen["summary"], DRAWS, seed=0, is_common=True)
            points = np.nan_to_num(self._posterior.space.to_space(draws), nan=OUTERMOST)
            seen["width"] = points.clip(-OUTERMOST, OUTERMOST).std(axis=1)
        return seen | {"centre": find_middle(stretched), "texture": measure_texture(stretched)}


def find_middle(images: np.ndarray) -> np.ndarray:
    """Return centroids of images (N, H, W) above their lower quartiles, columns and rows from the middle: (N, 2)."""
    light = np.clip(images - np.quantile(images, 0.25, axis=(1, 2), keepdims=True), 0, None)
    total = np.maximum(light.sum(axis=(1, 2)), np.finfo(np.float32).tiny)
    return np.stack(
        [
            light.sum(axis=other) @ (np.arange(images.shape[axis]) - (images.shape[axis] - 1) / 2) / total
            for axis, other in ((2, 1), (1, 2))
        ],
        axis=1,
    )


def measure_texture(images: np.ndarray) -> np.ndarray:
    """Return arcsinh(q / 0.01) of quantiles q of differences of images (N, H, W) smoothed more and more: (N, 32)."""
    rows, found = len(images), []
    for scale in SCALES:
        smooth = gaussian_filter(images, (0, 0.7 * scale, 0.7 * scale), mode="nearest")
        found.append(np.quantile((images - smooth).reshape(rows, -1), SHARES, axis=1).T)
        images = smooth
    return np.arcsinh(np.concatenate(found, axis=1) / FAINT)
