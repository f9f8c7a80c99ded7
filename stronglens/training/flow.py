"""Initial weights of normalising flows."""

import numpy as np


def seed_flow(flow, seed: int) -> None:
    """Initialise the weights of a flow from a seed; BayesFlow uses Keras's global random numbers."""
    random = np.random.default_rng(seed)
    for variable in flow.weights:
        if variable.name == "kernel" and variable.path.split("/")[-2] != "output_projector":
            limit = np.sqrt(6 / sum(variable.shape))  # Glorot & Bengio 2010, AISTATS
            variable.assign(random.uniform(-limit, limit, variable.shape).astype(np.float32))
    for layer in flow.invertible_layers:
        if hasattr(layer, "forward_indices"):
            order = random.permutation(layer.forward_indices.shape[0])
            layer.forward_indices.assign(order)
            layer.inverse_indices.assign(np.argsort(order))
