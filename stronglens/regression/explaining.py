"""Outputs of regression networks that are explained: each label, or the mean of its posterior."""

from collections.abc import Mapping

import numpy as np

from stronglens.explaining.outputs import Output
from stronglens.explaining.run import run_explanation
from stronglens.measuring import read_training_images
from stronglens.parameters import Column
from stronglens.regression import twins
from stronglens.regression.label_space import LabelSpace
from stronglens.regression.outputs import read_labels
from stronglens.regression.posterior import Posterior
from stronglens.training import keras

DRAWS = 64
"""Samples of the flow whose mean is explained; they are the same for all images."""


def explain(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Explain the network (see `stronglens.explaining.run.run_explanation`)."""
    training_images = read_training_images(parameters, record, network)
    read_labels(parameters, record, network)
    outputs = explained_outputs(network, record)
    run_explanation(parameters, network, record, outputs, training_images, rebuild, open_simulation, twins)


def explained_outputs(network: keras.Model, record: Mapping) -> list[Output]:
    """Return each label in its unit; of a posterior its mean, over samples with fixed random numbers."""
    columns = [Column.from_dict(item) for item in record["labels"]]
    if record.get("posterior"):
        labels = PosteriorMean(Posterior(network, record))(network.get_layer("summary").output)
        kind = "posterior mean of "
    else:
        labels, kind = network.output, ""
    return [
        Output(
            column.name,
            keras.Model(network.inputs[0], labels[:, place : place + 1]),
            f"{column.name} smaller",
            f"{column.name} larger",
            f"{kind}{column.name}",
            column.unit,
        )
        for place, column in enumerate(columns)
    ]


class PosteriorMean(keras.layers.Layer):
    """Compute the posterior means (N, L) of the labels, each in its unit, from features (N, F). It is never saved.

    Parameters
    ----------
    posterior : Posterior
    """

    def __init__(self, posterior: Posterior):
        super().__init__(name="posterior_mean")
        self.posterior = posterior
        self.tail = posterior.head  # so that its weights belong to the layer
        # The subnets of the flow have it. A normal distribution is linear in the last features.
        self.activation = keras.activations.silu if posterior.kind == "flow" else keras.activations.linear
        base = np.random.default_rng(0).standard_normal((DRAWS // 2, posterior.dimensions))
        self.base = np.concatenate([base, -base]).astype(np.float32)  # their mean is 0

    def call(self, summary):
        """Return the means."""
        ops, rows = keras.ops, keras.ops.shape(summary)[0]
        points = self.posterior.carry_tensors(
            ops.tile(ops.convert_to_tensor(self.base), (rows, 1)), ops.repeat(summary, DRAWS, axis=0)
        )
        labels = restore(self.posterior.space, points)
        return ops.mean(ops.reshape(labels, (-1, DRAWS, labels.shape[-1])), axis=1)

    def compute_output_shape(self, input_shape):
        """Return the shape of the means."""
        return (input_shape[0], len(self.posterior.space.names))


def restore(space: LabelSpace, points):
    """Return the labels (M, L) of points (M, D) of a label space, as `LabelSpace.to_labels` for tensors."""
    ops, labels = keras.ops, []
    for place, kind in enumerate(space.kinds):
        values = space.mean[place] + space.deviation[place] * points[:, place]
        if kind == "range":
            low, high = space.low[place], space.high[place]
            values = low + (high - low) * 0.5 * (1 + ops.erf(values / np.float32(np.sqrt(2))))
        elif kind == "above":
            values = space.low[place] + ops.exp(ops.clip(values, -80, 80))
        labels.append(values)
    return ops.stack(labels, axis=-1)
