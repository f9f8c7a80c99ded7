"""Small networks whose maps are known, and images for them."""

import numpy as np

from stronglens.explaining.outputs import Output
from stronglens.training import keras

SIDE = 12


def make_images(number=3, seed=0):
    return np.random.default_rng(seed).normal(0.5, 1, (number, SIDE, SIDE)).astype(np.float32)


def output_of(head):
    return Output("a", head, "less", "more", "number a")


def linear_output(weights):
    """The sum of the pixels times weights (12, 12)."""
    image = keras.Input((SIDE, SIDE), name="image")
    x = keras.layers.Flatten()(image)
    dense = keras.layers.Dense(1, use_bias=False)
    head = keras.Model(image, dense(x))
    dense.set_weights([np.reshape(weights, (-1, 1)).astype(np.float32)])
    return output_of(head)


def convolving_output(activation="relu", seed=0, residual=False):
    """Two convolutions and a dense layer, with the stretch of real networks in front."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((SIDE, SIDE), name="image")
    x = keras.layers.Reshape((SIDE, SIDE, 1))(keras.ops.arcsinh(image))
    x = keras.layers.Conv2D(4, 3, padding="same", activation=activation, name="one")(x)
    y = keras.layers.Conv2D(4, 3, padding="same", name="two")(x)
    if residual:
        y = keras.layers.Add(name="sum")([x, y])
    y = keras.layers.Activation(activation, name="three")(y)
    x = keras.layers.GlobalAveragePooling2D()(y)
    return output_of(keras.Model(image, keras.layers.Dense(1)(x)))
