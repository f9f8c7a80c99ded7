"""Maps of what an output of a network depends on.

A map has the pixels of the image: positive where light raises the output, negative where it lowers it. Images enter a
network raw, so that maps are in image pixels and include the stretch.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from scipy.ndimage import map_coordinates

from stronglens.explaining.bands import noise_of_bands
from stronglens.explaining.gradients import value_and_gradient
from stronglens.explaining.layers import (
    PassPositive,
    Probe,
    activation_names,
    activations,
    find_layer,
    insert,
    is_rectified,
)
from stronglens.explaining.occlusion import make_fill, occlude
from stronglens.explaining.outputs import Output, scoring
from stronglens.parameters import UsageError
from stronglens.training import keras

GRADIENT_BATCH = 64
"""Images whose gradients are computed at once."""
COPIES = 16
"""Noisy copies of SmoothGrad."""


@dataclass(frozen=True)
class Settings:
    """Settings of the maps.

    Attributes
    ----------
    patch : int, pixels
    stride : int or None, pixels
    fill : {"zero", "blur", "noise", "twin"}
    steps : int
        Of integrated gradients.
    layer : str or None
        Of Grad-CAM; None: the last with feature maps.
    seed : int
    """

    patch: int = 3
    stride: int | None = None
    fill: str = "zero"
    steps: int = 64
    layer: str | None = None
    seed: int = 0


def settings_of(parameters) -> Settings:
    """Return the settings of the maps that the flags give."""
    return Settings(
        parameters.patch, parameters.stride, parameters.fill, parameters.steps, parameters.layer, parameters.seed
    )


def occlusion(output: Output, images, settings: Settings, twins=None) -> np.ndarray:
    """Occlusion (Zeiler & Fergus 2014, ECCV; arXiv:1311.2901): the output less that with a patch replaced.

    Parameters of all maps
    ----------------------
    output : Output
    images : ndarray (N, H, W) or (N, H, W, B), e-/s
    settings : Settings
    twins : ndarray of the same shape, optional
        The same images without what is looked for.

    Returns
    -------
    ndarray (N, H, W); the sum over bands
    """
    maps = []
    for number, image in enumerate(images):
        filled = make_fill(image, settings.fill, None if twins is None else twins[number], settings.seed)
        maps.append(occlude(output, image, filled, settings.patch, settings.stride)[1])
    return np.stack(maps)


def gradient(output: Output, images, settings: Settings, twins=None) -> np.ndarray:
    """Gradient with its sign, per e-/s (Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034, who draw its size)."""
    return _sum_bands(_gradients(output, images))


def input_x_gradient(output: Output, images, settings: Settings, twins=None) -> np.ndarray:
    """Image times gradient (Shrikumar et al. 2016, arXiv:1605.01713): the first-order effect of removing a pixel."""
    return _sum_bands(images * _gradients(output, images))


def integrated_gradients(output: Output, images, settings: Settings, twins=None) -> np.ndarray:
    """Image times the mean gradient on the way from an empty image (Sundararajan, Taly & Yan 2017, arXiv:1703.01365).

    The sum of the map is the output of the image less that of an empty image. The mean is taken at the middles of
    equal steps in the square root of the brightness, since the stretch changes most near zero.
    """
    maps = []
    edges = np.linspace(0, 1, settings.steps + 1) ** 2
    middles, weights = ((edges[1:] + edges[:-1]) / 2).astype(np.float32), np.diff(edges)
    for image in images:
        way = middles.reshape(-1, *(1,) * image.ndim) * image
        slopes = _gradients(output, way)
        maps.append(image * np.tensordot(weights, slopes, axes=1))
    return _sum_bands(np.stack(maps))


def smoothgrad(output: Output, images, settings: Settings, twins=None) -> np.ndarray:
    """Mean gradient of 16 copies with more noise (Smilkov et al. 2017, arXiv:1706.03825).

    The noise has the standard deviation of the image's background. The 10 to 20 % of the range that the paper adds
    would be far above the arcs.
    """
    maps = []
    for number, image in enumerate(images):
        copies = np.random.default_rng([settings.seed, number]).standard_normal((COPIES, *image.shape))
        noise = copies * (noise_of_bands(image) if image.ndim == 3 else noise_of_bands(image)[0])
        maps.append(_gradients(output, (image + noise).astype(np.float32)).mean(axis=0))
    return _sum_bands(np.stack(maps))


def grad_cam(output: Output, images, settings: Settings, twins=None) -> np.ndarray:
    """Grad-CAM (Selvaraju et al. 2017, ICCV; arXiv:1610.02391): positive part of a layer's weighted feature maps.

    A feature map's weight is its mean gradient. The map is interpolated to the pixels of the image. It is zero where
    every weighted map lowers the output.
    """
    return np.mean([_grad_cam(head, images, settings.layer) for head in output.heads], axis=0)


def guided_backpropagation(output: Output, images, settings: Settings, twins=None) -> np.ndarray:
    """Guided back-propagation (Springenberg et al. 2015, ICLR; arXiv:1412.6806).

    A gradient of which only positive values are passed back through each ReLU. It depends on the weights less than it
    should (Adebayo et al. 2018, NeurIPS; arXiv:1810.03292).

    Raises
    ------
    UsageError
        If the network has other activation functions.
    """
    require_rectified(output)
    heads = tuple(insert(head, is_rectified, PassPositive) for head in output.heads)
    return _sum_bands(_gradients_of(heads, images))


def guided_grad_cam(output: Output, images, settings: Settings, twins=None) -> np.ndarray:
    """Product of guided back-propagation and Grad-CAM (Selvaraju et al. 2017, section 3.2)."""
    return guided_backpropagation(output, images, settings) * grad_cam(output, images, settings)


@dataclass(frozen=True)
class Method:
    """A method that makes maps.

    Attributes
    ----------
    title : str
        For figures.
    make : callable
        See `occlusion`.
    is_guided : bool
        Whether it means nothing for a network with other activation functions than ReLU.
    """

    title: str
    make: Callable
    is_guided: bool = False


METHODS: Mapping[str, Method] = {
    "gradient": Method("gradient", gradient),
    "input-x-gradient": Method("input x gradient", input_x_gradient),
    "integrated-gradients": Method("integrated gradients", integrated_gradients),
    "smoothgrad": Method("SmoothGrad", smoothgrad),
    "occlusion": Method("occlusion", occlusion),
    "grad-cam": Method("Grad-CAM", grad_cam),
    "guided-backpropagation": Method("guided back-propagation", guided_backpropagation, is_guided=True),
    "guided-grad-cam": Method("guided Grad-CAM", guided_grad_cam, is_guided=True),
}
"""Methods that make maps, by the word of ``--method``."""


def why_refused(output: Output, name: str) -> str | None:
    """Return why a method means nothing for an output's network; None if it can be used."""
    if not METHODS[name].is_guided:
        return None
    others = sorted(set().union(*(activation_names(head) for head in output.heads)) - {"relu"})
    if not others:
        return None
    return f"means nothing without ReLU: this network has {', '.join(others)}"


def require_rectified(output: Output) -> None:
    """Refuse a network whose activation functions are not all ReLU.

    Raises
    ------
    UsageError
    """
    if reason := why_refused(output, "guided-backpropagation"):
        raise UsageError(f"guided back-propagation {reason}")


@contextmanager
def permuted_weights(output: Output, seed: int = 0) -> Iterator[None]:
    """Permute the numbers in each trained array of an output's network, in this context.

    A map that depends on what the network has learned then changes completely (Adebayo et al. 2018, NeurIPS;
    arXiv:1810.03292).
    """
    random = np.random.default_rng(seed)
    variables = [variable for head in output.heads for variable in head.trainable_variables]
    kept = [np.array(variable) for variable in variables]
    try:
        for variable, values in zip(variables, kept, strict=True):
            variable.assign(random.permutation(values.ravel()).reshape(values.shape))
        yield
    finally:
        for variable, values in zip(variables, kept, strict=True):
            variable.assign(values)


def _gradients(output: Output, images: np.ndarray) -> np.ndarray:
    return _gradients_of(output.heads, images)


def _gradients_of(heads, images: np.ndarray) -> np.ndarray:
    parts = []
    for start in range(0, len(images), GRADIENT_BATCH):
        some = images[start : start + GRADIENT_BATCH]
        parts.append(np.mean([value_and_gradient(scoring(head), some)[1] for head in heads], axis=0))
    return np.concatenate(parts)


def _grad_cam(head: keras.Model, images: np.ndarray, name: str | None) -> np.ndarray:
    layer, box = find_layer(head, name), SimpleNamespace(shift=None)
    probed = insert(head, lambda one: one is layer, lambda: Probe(box))
    score, maps = scoring(probed), []
    for start in range(0, len(images), GRADIENT_BATCH):
        some = images[start : start + GRADIENT_BATCH]

        def shifted(shift, some=some):
            box.shift = shift
            return score(some)

        found = activations(head, layer, some)
        slope = value_and_gradient(shifted, np.zeros_like(found))[1]
        weights = slope.mean(axis=(1, 2), keepdims=True)
        maps.append(np.maximum((weights * found).sum(axis=-1), 0))
    return enlarge(np.concatenate(maps), images.shape[1:3])


def enlarge(maps: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Interpolate maps (N, h, w) linearly to (N, H, W); both cover the same field."""
    where = [(np.arange(new) + 0.5) * old / new - 0.5 for new, old in zip(shape, maps.shape[1:], strict=True)]
    grid = np.meshgrid(*where, indexing="ij")
    return np.stack([map_coordinates(one, grid, order=1, mode="nearest") for one in maps])


def _sum_bands(maps: np.ndarray) -> np.ndarray:
    return maps.sum(axis=-1) if maps.ndim == 4 else maps
