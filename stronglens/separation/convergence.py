"""Maps of the convergence, from images.

An image shows the light and not the mass. A network that draws the map pixel by pixel (``unet``, as in the lecture)
hardly does better than the mean map. ``components`` gives the few numbers of a family of maps, the principal components
of ln kappa over the training set, and their uncertainties; the map and its uncertainty follow from them.

Mass-sheet degeneracy (Falco, Gorenstein & Shapiro 1985, ApJ 289, L1): a convergence lambda kappa + 1 - lambda gives the
same image of a source scaled by lambda. The maps are those of the lens models of the training set, which fix lambda.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stronglens.learning.plan import TrainingPlan
from stronglens.learning.train import predict
from stronglens.networks import build_backbone
from stronglens.scaling import ImageScaling, stretch_images
from stronglens.separation.arrays import CONVERGENCE
from stronglens.separation.batches import Encode
from stronglens.separation.camera import Camera
from stronglens.separation.network import add_unet, open_units, open_views
from stronglens.training import keras, load_network, save_network, spread_seed

LOGARITHM = "logarithm"
"""Layer with the mean and the logarithm of the variance of what a network learns."""

MOST_COMPONENTS, MOST_LEARNED = 12, 500
"""Components of the maps, at most, and training maps that they are computed from."""

MAP, SIGMA = 0, 1
"""Planes of a network's output: the convergence, and the standard deviation of its logarithm before calibration."""


@dataclass(frozen=True, eq=False)
class MapComponents:
    """Principal components of ln kappa.

    Attributes
    ----------
    mean : ndarray (H, W)
    axes : ndarray (K, H, W)
        One standard deviation of each component.
    rest : ndarray (H, W)
        Variance that the components leave out.
    """

    mean: np.ndarray
    axes: np.ndarray
    rest: np.ndarray

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Axes, mean and rest."""
        return self.axes, self.mean, self.rest

    @classmethod
    def of(cls, maps: np.ndarray) -> "MapComponents":
        """Return the components of maps (N, H, W) of the convergence, in any of the eight orientations."""
        logs = np.log(maps.astype(np.float64))
        turned = (
            [np.rot90(logs, turns, axes=(1, 2)) for turns in range(4)] if logs.shape[1] == logs.shape[2] else [logs]
        )
        mean = np.mean([one.mean(axis=0) for one in turned], axis=0)
        # All orientations have the same covariance up to their turn; one random turn of each map is enough.
        mixed = np.concatenate([one[start :: len(turned)] for start, one in enumerate(turned)]) - mean
        flat = mixed.reshape(len(mixed), -1)
        _, sizes, axes = np.linalg.svd(flat, full_matrices=False)
        kept = min(MOST_COMPONENTS, len(sizes))
        axes, sizes = axes[:kept], sizes[:kept] / np.sqrt(len(flat))
        rest = np.mean((flat - flat @ axes.T @ axes) ** 2, axis=0)
        shape = maps.shape[1:]
        return cls(mean, (axes * sizes[:, None]).reshape(kept, *shape), rest.reshape(shape))

    def encode(self, logs: np.ndarray) -> np.ndarray:
        """Return the components (N, K) of ln kappa (N, H, W): of mean 0 and variance 1 in the training set."""
        axes = self.axes.reshape(len(self.axes), -1)
        scaled = axes / np.sum(axes**2, axis=1, keepdims=True)
        return (logs - self.mean).reshape(len(logs), -1) @ scaled.T

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Return ln kappa (N, H, W) from components (N, K)."""
        return self.mean + np.tensordot(values, self.axes, axes=1)


@dataclass(frozen=True)
class GaussianError:
    """Learn numbers or pixels and their variances with the negative log density of a Gaussian."""

    shown: ClassVar[tuple[str, ...]] = ("loss",)
    clipped_at: ClassVar[float] = 1.0
    jit_compile: ClassVar[str | bool] = "auto"

    def describe(self) -> dict:
        """Return the settings that must not change when a training is resumed."""
        return {"the loss": "negative log density of the convergence"}

    def core(self, network: keras.Model) -> keras.Model:
        """Return the part of a network to which the loss is applied."""
        return keras.Model(network.inputs, network.get_layer(LOGARITHM).output)

    def arrange(self, images: np.ndarray, targets: np.ndarray) -> tuple:
        """Return the inputs and the targets of a batch."""
        return images, targets

    def loss(self):
        """Return the loss function."""
        return gaussian_loss

    def metrics(self) -> list:
        """Return the additional metrics: none."""
        return []


def gaussian_loss(truth, output):
    """Return the negative log density: (B,). The output (B, ..., 2) has the mean and the logarithm of the variance."""
    ops = keras.ops
    middle, log_variance = (ops.squeeze(part, axis=-1) for part in ops.split(output, 2, axis=-1))
    density = log_variance + (truth - middle) ** 2 * ops.exp(-log_variance)
    return ops.mean(ops.reshape(density, (ops.shape(density)[0], -1)), axis=1) / 2


def build_components(shape, image_scaling, components: MapComponents, seed: int) -> keras.Model:
    """Build a network that gives components: from images (B, H, W), e-/s, to (B, H, W, 2), `MAP` and `SIGMA`."""
    ops, number = keras.ops, len(components.axes)
    image, features = build_backbone("resnet", shape, image_scaling, seed)
    start = keras.initializers.RandomNormal(stddev=0.01, seed=spread_seed(seed, 60)[-1])
    x = keras.layers.Dense(2 * number, kernel_initializer=start, dtype="float32", name="standardised_labels")(features)
    x = keras.layers.Reshape((number, 2), name=LOGARITHM)(x)
    middle, log_variance = (ops.squeeze(part, axis=-1) for part in ops.split(x, 2, axis=-1))
    # Constants and not layers: a training keeps the weights of the layers to which the loss is applied.
    flat = [part.reshape(-1, np.prod(shape)).astype(np.float32) for part in components.parts]
    axes, mean, rest = map(ops.convert_to_tensor, flat)
    logarithm = ops.matmul(middle, axes) + mean
    variance = ops.matmul(ops.exp(log_variance), axes**2) + rest
    planes = (keras.layers.Reshape(shape)(plane) for plane in (ops.exp(logarithm), ops.sqrt(variance)))
    return keras.Model(image, ops.stack(list(planes), axis=-1), name="components")


def build_pixels(shape, image_scaling, mean: float, camera: Camera, seed: int) -> keras.Model:
    """Build a U-Net that draws ln kappa and its variance pixel by pixel: (B, H, W, 2), `MAP` and `SIGMA`."""
    ops = keras.ops
    image = keras.Input(shape, dtype="float32", name="image")
    light, _ = open_units(image, camera)
    x = add_unet(open_views(light, stretch_images(image, image_scaling)), shape, iter(spread_seed(seed, 40)))
    x = keras.layers.Activation("linear", dtype="float32", name=LOGARITHM)(x)
    middle, log_variance = (ops.squeeze(part, axis=-1) for part in ops.split(x, 2, axis=-1))
    return keras.Model(
        image, ops.stack([ops.exp(middle + float(mean)), ops.exp(log_variance * 0.5)], axis=-1), name="unet"
    )


def build_map_network(plan: TrainingPlan, image_scaling: ImageScaling, camera: Camera) -> tuple[keras.Model, Encode]:
    """Return the chosen network, untrained, and what it learns of a map."""
    parameters, shape = plan.parameters, plan.dataset.images.shape[1:]
    components = MapComponents.of(plan.dataset.others[CONVERGENCE][plan.split["train"][:MOST_LEARNED]])
    if parameters.network == "components":
        network = build_components(shape, image_scaling, components, parameters.seed)
        return network, lambda images, truths: _encode(components.encode, truths)
    mean = components.mean.mean()
    network = build_pixels(shape, image_scaling, mean, camera, parameters.seed)
    return network, lambda images, truths: _encode(lambda logs: logs - mean, truths)


def calibrate(plan: TrainingPlan) -> None:
    """Write the factor to the network's file by which its standard deviations contain 68 % of validation pixels."""
    path, rows = plan.parameters.model_file, plan.split["valid"]
    network, record = load_network(path)
    planes = predict(network, plan.dataset.images.subset(rows))
    errors = np.abs(np.log(planes[..., MAP] / plan.dataset.others[CONVERGENCE][rows])) / planes[..., SIGMA]
    save_network(network, path, record | {"sigma-factor": float(np.quantile(errors, 0.6827))})


def _encode(encode, truths) -> np.ndarray:
    return encode(np.log(truths[CONVERGENCE])).astype(np.float32)
