"""Numerical precision of a network: 32 bits, or 16 bits in most layers."""

from stronglens.training.device import keras

EXACT_LAYERS = ("InputLayer", "Rescaling", "Normalization", "Softmax", "CouplingFlow")


def copy_network(network: keras.Model, policy: str) -> keras.Model:
    """Return a copy of a network, with its own weights, in another precision.

    Parameters
    ----------
    network : keras.Model
        In float32.
    policy : str
        Keras dtype policy. Scalings, the last layer with weights, softmax layers and flows remain in float32.

    Returns
    -------
    keras.Model
    """
    exact = [layer.name for layer in network.layers if layer.__class__.__name__ in EXACT_LAYERS]
    exact += [layer.name for layer in network.layers if layer.weights][-1:]

    def copy(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.Layer):
            config["dtype"] = "float32" if layer.name in exact else policy
        copied = layer.__class__.from_config(config)
        if layer.__class__.__name__ == "CouplingFlow":
            copied.build_from_config(layer.get_build_config())  # a call without a batch cannot build it
        return copied

    copied = keras.models.clone_model(network, clone_function=copy)
    copied.set_weights(network.get_weights())
    return copied
