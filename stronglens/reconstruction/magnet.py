"""MagNet: the recurrent inference machine of Morningstar & Rueter (2019), layer by layer.

A step takes the estimate and the gradient of the likelihood there, and gives a correction. Its cell is that of Putzky &
Welling (2017, arXiv:1706.04008): a convolution with a stride to 32 channels, a convolutional GRU of 128, a transposed
convolution with the same stride to 32, a GRU of 128 at full size, a convolution to one channel. All kernels are 5 x 5.
The report does not say which stride, number of steps and activations it had: they follow its authors' published code
(stride 2, 10 steps, tanh after the layers of 32 channels). That code passes the estimate through a sigmoid; here the
estimate itself is corrected, from zero, as the report says.
"""

from typing import Any

from stronglens.reconstruction.operator import Operator
from stronglens.training import keras

ops = keras.ops

KERNEL = 5
CHANNELS, MEMORY = 32, 128


class MagnetCell(keras.layers.Layer):
    """Correct an estimate, with two memories.

    Parameters
    ----------
    stride : {1, 2, 4}
        The source's side over that of the first memory.
    seed : int, of the initial weights
    """

    def __init__(self, stride: int, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.stride = stride
        self.enter = convolution(CHANNELS, seed, "enter", activation="tanh", strides=stride)
        self.coarse = ConvolutionalGRU(MEMORY, seed + 1, name="coarse")
        self.widen = convolution(
            CHANNELS, seed + 3, "widen", keras.layers.Conv2DTranspose, activation="tanh", strides=stride
        )
        self.fine = ConvolutionalGRU(MEMORY, seed + 4, name="fine")
        self.leave = convolution(1, seed + 6, "leave")

    def build(self, input_shapes):
        """Build the layers, for the shape (B, S, S, ...) of an estimate."""
        batch, side = input_shapes[0][:2]
        self.enter.build((batch, side, side, 2))
        small = side // self.stride
        self.coarse.build((batch, small, small, CHANNELS))
        self.widen.build((batch, small, small, MEMORY))
        self.fine.build((batch, side, side, CHANNELS))
        self.leave.build((batch, side, side, MEMORY))
        self.built = True

    def call(self, inputs: list[Any]) -> tuple[Any, Any, Any]:
        """Return a correction (B, S, S) and both memories, from estimate, gradient (B, S, S) and memories."""
        estimate, gradient, coarse, fine = inputs
        coarse = self.coarse([self.enter(ops.stack([estimate, gradient], axis=-1)), coarse])
        fine = self.fine([self.widen(coarse), fine])
        return self.leave(fine)[..., 0], coarse, fine

    def reconstruct(self, operator: Operator, image: Any, weight: Any, steps: int) -> list[Any]:
        """Return the estimates after each step, from an estimate of zero.

        Parameters
        ----------
        operator : Operator
        image : tensor (B, H, H)
        weight : tensor (B, H, H), 1 / variance of each pixel
        steps : int

        Returns
        -------
        list of tensors (B, S, S)
        """
        # A step of gradient descent of this length cannot overshoot: the gradient gets the scale of a source.
        length = 1 / (operator.largest_weight(weight) + 1e-12)  # no ray may end in the source's field
        estimate = ops.zeros_like(operator.adjoint(image))
        memory = ops.zeros_like(estimate)[..., None] + ops.zeros((MEMORY,))
        coarse, fine = memory[:, :: self.stride, :: self.stride], memory
        estimates = []
        for _ in range(steps):
            gradient = length * operator.adjoint(weight * (image - operator.forward(estimate)))
            correction, coarse, fine = self([estimate, gradient, coarse, fine])
            estimate = estimate + correction
            estimates.append(estimate)
        return estimates


class ConvolutionalGRU(keras.layers.Layer):
    """Gated recurrent unit whose matrices are convolutions (Ballas et al. 2016, ICLR, arXiv:1511.06432).

    z, r = sigmoid(W [x, h]), h' = (1 - z) h + z tanh(U [x, r h]).

    Parameters
    ----------
    channels : int, of the memory h
    seed : int
    """

    def __init__(self, channels: int, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.gates = convolution(2 * channels, seed, "gates", activation="sigmoid")
        self.candidate = convolution(channels, seed + 1, "candidate", activation="tanh")

    def build(self, input_shape):
        """Build the convolutions, for the shape of x."""
        shape = (*input_shape[:-1], input_shape[-1] + self.channels)
        self.gates.build(shape)
        self.candidate.build(shape)
        self.built = True

    def call(self, inputs: list[Any]) -> Any:
        """Return the next memory, from x and the memory."""
        x, memory = inputs
        update, reset = ops.split(self.gates(ops.concatenate([x, memory], axis=-1)), 2, axis=-1)
        candidate = self.candidate(ops.concatenate([x, reset * memory], axis=-1))
        return (1 - update) * memory + update * candidate


def convolution(channels: int, seed: int, name: str, kind: type = keras.layers.Conv2D, **settings) -> Any:
    """Return a convolution of 5 x 5 with a bias, or one of another kind, that keeps the size or divides it."""
    start = keras.initializers.GlorotUniform(seed)
    return kind(
        channels, KERNEL, padding="same", kernel_initializer=start, data_format="channels_last", name=name, **settings
    )
