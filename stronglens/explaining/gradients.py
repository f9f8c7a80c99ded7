"""Gradients of a network's output, with both of Keras's backends."""

from collections.abc import Callable

import numpy as np

from stronglens.training import keras


def value_and_gradient(score: Callable, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of N inputs, and the gradient of each with respect to its input.

    Parameters
    ----------
    score : callable
        Takes a tensor (N, ...) of the backend; returns N scores (N,). A score may depend on its own input alone.
    inputs : ndarray (N, ...)

    Returns
    -------
    values : ndarray (N,) float32
    gradient : ndarray (N, ...) float32, unit of the score per unit of the input
    """
    inputs = np.asarray(inputs, np.float32)
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        watched = tf.convert_to_tensor(inputs)
        with tf.GradientTape() as tape:
            tape.watch(watched)
            values = score(watched)
        return values.numpy(), tape.gradient(values, watched).numpy()
    import jax

    def total(watched):
        values = score(watched)
        return values.sum(), values

    (_, values), gradient = jax.value_and_grad(total, has_aux=True)(jax.numpy.asarray(inputs))
    return np.asarray(values), np.asarray(gradient)
