"""Adversarial training of a separating network: a discriminator learns to tell its sources from true ones.

The losses are those of Goodfellow et al. (2014, NeurIPS), with the generator's -log D, added to the plain loss with a
small weight, as Reiman & Goehre (2019, MNRAS 485, 2617) do. Here the discriminator sees the light of the source alone,
as the arcsinh of its units of noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stronglens.separation.network import UNITS
from stronglens.separation.training_error import PLANES, SeparationError, separation_loss
from stronglens.training import keras, spread_seed

WEIGHT = 0.01
"""Weight of the adversarial loss; 1 is that of the squared error of a pixel, in units of the noise."""

FILTERS = (16, 32, 64)
"""Filters of the discriminator; each layer halves the image."""

ADVERSARIAL, DISCRIMINATOR, PENALTY = PLANES, PLANES + 1, PLANES + 2
"""Planes after noise and source: the two losses, and what a training step adds to the plain loss."""

WON = 0.05
"""Discriminator's loss below which it has won: a generator that it cannot tell from the truth gives it ln 2 = 0.69."""


@dataclass(frozen=True)
class AdversarialError(SeparationError):
    """Learn noise and source with the squared error and the loss of a discriminator, which is trained at once.

    Attributes
    ----------
    seed : int
        Of the discriminator's initial weights.
    """

    seed: int = 0
    shown: ClassVar[tuple[str, ...]] = ("loss", "adversarial_loss", "discriminator_loss")
    remedy: ClassVar[str] = ", or train without --adversarial"

    def describe(self) -> dict:
        """Return the settings that must not change when a training is resumed."""
        return {"the loss": f"squared error of noise and source, and {WEIGHT} of a discriminator's"}

    def core(self, network: keras.Model) -> keras.Model:
        """Return both networks as one: a step of its optimizer, which has moments of each weight, is one of both."""
        generator = super().core(network)
        shape = network.get_layer(UNITS).output.shape[1:3]
        return AdversarialPair(generator, build_discriminator(shape, self.seed))

    def arrange(self, images: np.ndarray, targets: np.ndarray) -> tuple:
        """Return the inputs of a batch, among them the true sources for the discriminator, and its targets."""
        return (images, targets), targets

    def loss(self):
        """Return the loss function: the plain loss and, in training, the losses of both networks."""
        return _loss

    def metrics(self) -> list:
        """Return the additional metrics: the RMSE of noise and source, and both losses."""
        losses = ((ADVERSARIAL, "adversarial_loss"), (DISCRIMINATOR, "discriminator_loss"))
        return [*super().metrics(), *(PlaneMean(plane, name=name) for plane, name in losses)]


def make_objective(parameters) -> SeparationError:
    """Return what a network for light learns, with or without a discriminator."""
    return AdversarialError(parameters.seed) if parameters.adversarial else SeparationError()


class AdversarialPair(keras.Model):
    """A separating network with its discriminator.

    Its output (B, H, W, 5) has noise and source in units of the noise, and three planes of losses, the same in all
    pixels. The last one is 0 in validation, so that epochs are compared by the plain loss.
    """

    def __init__(self, generator: keras.Model, discriminator: keras.Model):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.built = True

    def call(self, inputs, training: bool = False):
        """Return noise, source and losses, from images (B, H, W) and the true noise and source (B, H, W, 2)."""
        ops, (images, truth) = keras.ops, inputs
        planes = self.generator(images, training=training)
        real, fake = truth[..., 1:], planes[..., 1:]
        # The adversarial loss moves the generator alone, the other one the discriminator alone.
        fixed = [ops.stop_gradient(ops.convert_to_tensor(weight)) for weight in self.discriminator.trainable_variables]
        seen, _ = self.discriminator.stateless_call(fixed, [], fake)
        adversarial = ops.softplus(-seen)
        told = ops.softplus(-self.discriminator(real)) + ops.softplus(self.discriminator(ops.stop_gradient(fake)))
        penalty = (WEIGHT * adversarial + told / 2) * float(training)
        losses = ops.stack([adversarial, told / 2, penalty], axis=-1)
        everywhere = ops.broadcast_to(losses[:, None, None], (*ops.shape(planes)[:-1], 3))
        return ops.concatenate([planes, everywhere], axis=-1)


class PlaneMean(keras.metrics.Mean):
    """Mean of a plane of the output."""

    def __init__(self, plane: int, **kwargs):
        super().__init__(**kwargs)
        self.plane = plane

    def update_state(self, truth, output, sample_weight=None):
        """Add a batch: output (B, H, W, P)."""
        super().update_state(output[:, 0, 0, self.plane], sample_weight)


def build_discriminator(shape: Sequence[int], seed: int) -> keras.Model:
    """Return an untrained discriminator: from sources (B, H, W, 1) in units of the noise to logits (B,)."""
    seeds = iter(spread_seed(seed, 50)[40:])
    source = keras.Input((*shape, 1), dtype="float32")
    x = keras.ops.arcsinh(source)
    for filters in FILTERS:
        x = keras.layers.Conv2D(
            filters, 4, 2, padding="same", activation="leaky_relu", data_format="channels_last",
            kernel_initializer=keras.initializers.HeNormal(next(seeds)),
        )(x)  # fmt: skip
    x = keras.layers.Flatten(data_format="channels_last")(x)
    x = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(next(seeds)))(x)
    return keras.Model(source, keras.ops.squeeze(x, axis=-1), name="discriminator")


def explain_losses(history: dict[str, list[float]]) -> str | None:
    """Return a line if the discriminator has won, from the losses of each epoch."""
    last = history["discriminator_loss"][-1]
    if last > WON:
        return None
    return (
        f"the discriminator tells the network's sources from true ones (its loss is {last:.2g}; 0.69 would be a tie): "
        "the adversarial training has diverged; compare with a network without --adversarial"
    )


def _loss(truth, output):
    return separation_loss(truth, output[..., :PLANES]) + output[:, 0, 0, PENALTY]
