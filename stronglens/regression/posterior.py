"""Neural posterior estimation: a conditional density of the labels, given an image.

Training minimises E[-log q(labels | image)] over simulated images. At the minimum, q is the posterior under the prior
of the simulation (Papamakarios & Murray 2016, NeurIPS; Greenberg et al. 2019, ICML). The network takes an image and a
point in the space of transformed labels (see `LabelSpace`) and returns the log density at this point.
"""

from collections.abc import Mapping

import numpy as np

from stronglens.out_of_distribution import build_feature_extractor
from stronglens.parameters import RunError
from stronglens.regression.label_space import LabelSpace
from stronglens.training import FLOW, import_bayesflow, keras, seed_flow, spread_seed

KINDS = ("flow", "gaussian")
POINTS_AT_ONCE = 50_000
"""Number of samples in a batch."""

MAX_SIGMA = 8.0
"""Maximum distance from the mean of the training set, in standard deviations. Samples beyond it are redrawn, since the
couplings of a flow are not constrained there: they amplify each other's errors, and a few samples become extreme."""

TRIES = 20
"""Maximum number of redraws of such a sample."""


def build_posterior(kind: str, image, summary, labels: int, seed: int = 0) -> keras.Model:
    """Build an untrained conditional density of the labels on top of the image features of a network.

    ``flow`` is BayesFlow's coupling flow (Radev et al. 2020, IEEE TNNLS 33, 1452; affine couplings as in Kingma &
    Dhariwal 2018, NeurIPS). ``gaussian`` is a normal distribution with full covariance. Both are densities of the
    transformed labels.

    Parameters
    ----------
    kind : {"flow", "gaussian"}
    image : keras.KerasTensor (batch, H, W), electrons/s
    summary : keras.KerasTensor (batch, F)
        Image features.
    labels : int
        Number of labels.
    seed : int
        Seed of the initial weights.

    Returns
    -------
    keras.Model
        Inputs (batch, H, W) float32, electrons/s, and (batch, D) float32, transformed labels (see `dimensions_of`);
        output (batch,) float32, log density.
    """
    dimensions = dimensions_of(kind, labels)
    summary = keras.layers.Activation("linear", name="summary")(summary)
    point = keras.Input((dimensions,), dtype="float32", name="point")
    add = {"flow": _add_flow, "gaussian": _add_gaussian}[kind]
    return keras.Model([image, point], add(point, summary, dimensions, seed), name=f"posterior_{kind}")


def dimensions_of(kind: str, labels: int) -> int:
    """Return the number of dimensions of the density. A coupling needs two; with one label the second one is noise."""
    return max(2, labels) if kind == "flow" else labels


class Posterior:
    """Samples from the posteriors of a trained network.

    Parameters
    ----------
    network : keras.Model
        A network of `build_posterior`, built or loaded.
    record : mapping
        Record in the network file.

    Raises
    ------
    RunError
        When the record does not describe a posterior.
    """

    def __init__(self, network: keras.Model, record: Mapping):
        self.space = LabelSpace.from_dict(record.get("label-space") or {})
        self.kind = record.get("posterior")
        names = {layer.name for layer in network.layers}
        is_sound = self.kind in KINDS and len(network.inputs) == 2 and {self.kind, "summary"} <= names
        self.dimensions = network.inputs[-1].shape[-1]
        if not is_sound or self.dimensions != dimensions_of(self.kind, len(self.space.names)):
            raise RunError("the network's record of its posterior is damaged; train the network again")
        self._extract = build_feature_extractor(network)
        self._head = network.get_layer(self.kind)
        if self.kind == "flow":
            # A Keras model runs as a compiled graph; a direct call of the flow runs each operation separately.
            base, seen = keras.Input((self.dimensions,)), keras.Input(network.get_layer("summary").output.shape[1:])
            self._inverse = keras.Model([base, seen], self._head(base, conditions=seen, inverse=True))

    def sample_images(self, images: np.ndarray, number: int = 1000, seed: int = 0) -> np.ndarray:
        """Draw samples from the posterior of each image. They do not depend on the other images, as with ``--predict``.

        Parameters
        ----------
        images : ndarray (N, H, W), electrons/s
        number : int
            Number S of samples per image.
        seed : int

        Returns
        -------
        ndarray (N, S, L) float32, unit of each label
            The labels have the order of ``record["labels"]``.
        """
        return self.sample(self._extract.predict(images, verbose=0), number, seed, is_common=True)

    def sample(self, summaries: np.ndarray, number: int, seed: int, is_common: bool = False) -> np.ndarray:
        """Draw samples from the posterior of each image.

        Samples more than `MAX_SIGMA` from the mean of the training set are redrawn.

        Parameters
        ----------
        summaries : ndarray (N, F)
            Features of the images (see `out_of_distribution.build_feature_extractor`).
        number : int
            Number S of samples per image.
        seed : int
        is_common : bool
            Use the same random numbers for every image, so that its samples do not depend on the other images.

        Returns
        -------
        ndarray (N, S, L) float32, unit of each label
        """
        random = np.random.default_rng(seed)
        labels = len(self.space.names)
        out = np.empty((len(summaries), number, labels), np.float32)
        block = max(1, POINTS_AT_ONCE // number)
        for start in range(0, len(summaries), block):
            some = np.asarray(summaries[start : start + block], np.float32)
            if is_common:
                random = np.random.default_rng(seed)
            points = self._draw(random, np.repeat(some, number, axis=0), number if is_common else None)
            found = self.space.to_labels(points.reshape(len(some), number, -1)[..., :labels])
            out[start : start + block] = np.clip(found.astype(np.float32), *self.space.float32_bounds)
        return out

    def carry_tensors(self, base, summaries):
        """Return points of the label space that can be differentiated.

        Parameters
        ----------
        base : tensor (M, D)
            Of the normal distribution.
        summaries : tensor (M, F)

        Returns
        -------
        tensor (M, D)
        """
        if self.kind == "flow":
            return self._head(base, conditions=summaries, inverse=True)
        return _carry_normal(self._head(summaries), base, self.dimensions)

    @property
    def head(self) -> keras.layers.Layer:
        """The layer that computes the density."""
        return self._head

    def _draw(self, random: np.random.Generator, summaries: np.ndarray, period: int | None) -> np.ndarray:
        """Return a sample (N, D) of the transformed labels for each summary; ``period`` repeats the random numbers."""

        def base(chosen: np.ndarray) -> np.ndarray:
            number = period or np.count_nonzero(chosen)
            drawn = random.standard_normal((number, self.dimensions), np.float32)
            return np.tile(drawn, (len(chosen) // period, 1))[chosen] if period else drawn

        points = self._carry(base(np.full(len(summaries), True)), summaries)
        for _ in range(TRIES):
            is_lost = ~(np.abs(points) <= MAX_SIGMA).all(axis=1)  # includes NaN
            if not is_lost.any():
                break
            points[is_lost] = self._carry(base(is_lost), summaries[is_lost])
        return np.clip(points, -MAX_SIGMA, MAX_SIGMA)

    def _carry(self, base: np.ndarray, summaries: np.ndarray) -> np.ndarray:
        if self.kind == "flow":
            return self._inverse.predict([base, summaries], batch_size=POINTS_AT_ONCE, verbose=0)
        numbers = keras.ops.convert_to_numpy(self._head(summaries)).astype(np.float64)
        mean, log_diagonal, lower = np.split(numbers, [self.dimensions, 2 * self.dimensions], axis=1)
        factor = np.tril(lower.reshape(-1, self.dimensions, self.dimensions), -1)
        diagonal = np.arange(self.dimensions)
        factor[:, diagonal, diagonal] = np.exp(log_diagonal)
        return mean + np.linalg.solve(factor, base[..., None].astype(np.float64))[..., 0]


def _carry_normal(numbers, base, dimensions: int):
    """Return points (M, D) of a normal distribution for tensors: its numbers (M, F), and a base (M, D)."""
    ops = keras.ops
    mean, log_diagonal, lower = ops.split(numbers, [dimensions, 2 * dimensions], axis=-1)
    lower = ops.tril(ops.reshape(lower, (-1, dimensions, dimensions)), k=-1)
    factor = lower + ops.expand_dims(ops.exp(log_diagonal), -1) * ops.eye(dimensions)
    return mean + ops.solve_triangular(factor, ops.expand_dims(base, -1), lower=True)[..., 0]


def _add_flow(point, summary, dimensions: int, seed: int):
    import_bayesflow()
    from bayesflow.networks import CouplingFlow

    flow = CouplingFlow(**FLOW, name="flow")
    flow.build((1, dimensions), (1, summary.shape[-1]))
    seed_flow(flow, spread_seed(seed, 1)[0])
    return flow(point, conditions=summary, density=True)[1]


def _add_gaussian(point, summary, dimensions: int, seed: int):
    ops = keras.ops
    # The precision matrix is A^T A with A lower triangular and a positive diagonal: every A gives a valid covariance.
    numbers = keras.layers.Dense(
        2 * dimensions + dimensions**2,
        kernel_initializer=keras.initializers.VarianceScaling(0.1, seed=spread_seed(seed, 1)[0]),
        dtype="float32",
        name="gaussian",
    )(summary)
    mean, log_diagonal, lower = ops.split(numbers, [dimensions, 2 * dimensions], axis=-1)
    away = ops.subtract(point, mean)
    lower = ops.tril(ops.reshape(lower, (-1, dimensions, dimensions)), k=-1)
    whitened = ops.add(
        ops.multiply(ops.exp(log_diagonal), away), ops.squeeze(ops.matmul(lower, ops.expand_dims(away, -1)), -1)
    )
    density = ops.subtract(ops.sum(log_diagonal, axis=-1), ops.multiply(0.5, ops.sum(ops.square(whitened), axis=-1)))
    return ops.subtract(density, 0.5 * dimensions * float(np.log(2 * np.pi)))
