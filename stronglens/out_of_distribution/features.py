"""Features of images for the out-of-distribution score."""

from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from stronglens.training import keras

DRAWS = 100
"""Posterior samples per image: they give the posterior width to 7 %."""
OUTERMOST = 4.0
"""Maximum absolute value of a sample in the label space, so that one outlier of a flow cannot dominate the width."""

SCALES = (1, 2, 4, 8)
"""Smoothing scales of the texture, pixels."""
SHARES = (0.0, 0.01, 0.1, 0.25, 0.75, 0.9, 0.99, 1.0)
"""Quantiles of the texture, as fractions."""
FAINT = 0.01
"""Softening of the texture, in standard deviations of the stretched training pixels."""
BLOCK = 256
"""Images that are processed at a time."""


def build_feature_extractor(network: keras.Model) -> keras.Model:
    """Return the feature extractor of a network: a model from images (N, H, W[, B]), e-/s, to features (N, F).

    A committee has the features of its first member.
    """
    network = first_member(network)
    layers = {layer.name: layer for layer in network.layers}
    if "summary" in layers:
        return keras.Model(network.inputs[0], layers["summary"].output)
    last = layers["standardised_labels"] if "standardised_labels" in layers else layers["logits"]
    return keras.Model(network.inputs[0], last.input)


def first_member(network: keras.Model) -> keras.Model:
    """Return the first member of a committee of networks; a single network itself."""
    return next((layer for layer in network.layers if isinstance(layer, keras.Model)), network)


class ImageFeatures:
    """Compute the features of images that the out-of-distribution score uses.

    It is called with images (N, H, W) or (N, H, W, B), electrons/s, and returns a dict of ndarray (N, F); ``centre``
    and ``texture`` of each band:

    - ``summary``: the features before the network's last layers;
    - ``width``: standard deviations of the posterior in the label space, where the prior has a standard deviation of 1
      (only with a posterior);
    - ``centre``: centroid of the stretched image (`scaling.stretch_images`) above its lower quartile, in pixels from
      the image centre; neighbours and an offset of the lens shift it;
    - ``texture``: quantiles of the differences between images smoothed over 1, 2, 4 and 8 pixels; they depend on
      noise, PSF, pixel size and units (see `measure_texture`);
    - ``output``: output of the network (only if the image is its only input).

    Parameters
    ----------
    network : keras.Model
        Of any task.
    posterior : object with ``sample`` and ``space``, optional
        Posterior of the network, if it has one.
    """

    def __init__(self, network: keras.Model, posterior: Any = None):
        extractor, member = build_feature_extractor(network), first_member(network)
        parts = [extractor.output, member.get_layer("normalised_image").output]
        if member is not network:
            parts = keras.Model(member.inputs[0], parts)(network.inputs[0])
        self._parts = dict(zip(("summary", "stretched"), parts, strict=True))
        if len(network.inputs) == 1:
            self._parts["output"] = network.output
        self._model = keras.Model(network.inputs[0], list(self._parts.values()))
        self._posterior = posterior

    def __call__(self, images) -> dict[str, np.ndarray]:
        """Return the features of images (N, H, W[, B]), electrons/s: dict of name to ndarray (N, F)."""
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
        bands = np.moveaxis(stretched, -1, 0) if stretched.ndim == 4 else [stretched]
        return seen | {
            "centre": np.hstack([find_middle(band) for band in bands]),
            "texture": np.hstack([measure_texture(band) for band in bands]),
        }


def find_middle(images: np.ndarray) -> np.ndarray:
    """Return the centroids of the light above the lower quartile of images (N, H, W).

    Returns
    -------
    ndarray (N, 2), pixels
        Column and row, relative to the image centre.
    """
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
    """Return the texture of stretched images (N, H, W): ndarray (N, 32).

    It is arcsinh(q / 0.01) for 8 quantiles q of the differences between successive smoothings, on 4 scales.
    """
    rows, found = len(images), []
    for scale in SCALES:
        smooth = gaussian_filter(images, (0, 0.7 * scale, 0.7 * scale), mode="nearest")
        found.append(np.quantile((images - smooth).reshape(rows, -1), SHARES, axis=1).T)
        images = smooth
    return np.arcsinh(np.concatenate(found, axis=1) / FAINT)
