"""Layers of a head: those with feature maps, their activation functions, and copies of a head with more layers.

A copy shares the layers and weights of the original. None is ever saved.
"""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from stronglens.parameters import UsageError
from stronglens.training import keras

SMALLEST_MAP = 2
"""Smallest side of a feature map that a map of the image is made from, pixels."""


class Probe(keras.layers.Layer):
    """Add ``box.shift`` to a tensor, so that the gradient with respect to the shift is that of the tensor."""

    def __init__(self, box: SimpleNamespace, **how):
        super().__init__(**how)
        self.box = box

    def call(self, inputs):
        """Return the shifted tensor."""
        return inputs if self.box.shift is None else inputs + self.box.shift


class PassPositive(keras.layers.Layer):
    """Return a tensor; of its gradient only positive values are passed back."""

    def call(self, inputs):
        """Return the tensor."""

        @keras.ops.custom_gradient
        def same(tensor):
            def back(*args, upstream=None):
                upstream = args[0] if upstream is None else upstream
                return keras.ops.relu(upstream)

            return keras.ops.multiply(tensor, 1.0), back

        return same(inputs)


def feature_layers(head: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers with feature maps (N, h, w, C), from the first convolution on, in their order."""
    layers = [layer for layer in head.layers if isinstance(layer, keras.layers.Layer)]
    first = next((k for k, layer in enumerate(layers) if isinstance(layer, keras.layers.Conv2D)), len(layers))
    return [
        layer
        for layer in layers[first:]
        if len(layer.output.shape) == 4 and min(layer.output.shape[1:3]) >= SMALLEST_MAP
    ]


def find_layer(head: keras.Model, name: str | None) -> keras.layers.Layer:
    """Return a layer with feature maps by its name, by default the last.

    Raises
    ------
    UsageError
        If there is none of this name; the message lists the names.
    """
    layers = feature_layers(head)
    if name is None:
        return layers[-1]
    for layer in layers:
        if layer.name == name:
            return layer
    raise UsageError(f"--layer={name}: not one of {', '.join(layer.name for layer in layers)}")


def activation_names(head: keras.Model) -> set[str]:
    """Return the names of the activation functions in a head, without linear ones."""
    return {name_of_activation(layer) for layer in head.layers} - {"linear"}


def name_of_activation(layer) -> str:
    """Return the name of a layer's activation function."""
    if isinstance(layer, keras.layers.ReLU):
        return "relu"
    activation = getattr(layer, "activation", None)
    return "linear" if activation is None else getattr(activation, "__name__", str(activation))


def has_activation(layer) -> bool:
    """Return whether a layer ends with an activation function that is not linear."""
    return name_of_activation(layer) != "linear"


def is_rectified(layer) -> bool:
    """Return whether a layer ends with a ReLU."""
    return name_of_activation(layer) == "relu"


def insert(head: keras.Model, where: Callable[[object], bool], make: Callable[[], keras.layers.Layer]) -> keras.Model:
    """Return a copy of a head with a new layer after each layer for which ``where`` is true."""

    def call(layer, *args, **how):
        result = layer(*args, **how)
        return make()(result) if where(layer) else result

    return keras.models.clone_model(head, clone_function=lambda layer: layer, call_function=call)


def activations(head: keras.Model, layer: keras.layers.Layer, images: np.ndarray) -> np.ndarray:
    """Return the feature maps of a layer for images (N, H, W[, B]), e-/s: ndarray (N, h, w, C)."""
    return keras.Model(head.inputs, layer.output).predict(images, batch_size=64, verbose=0)
