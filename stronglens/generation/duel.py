"""A generator and a discriminator that play against each other."""

from collections.abc import Callable, Sequence

import numpy as np

from stronglens.generation.game import AveragedWeights, Judge, make_optimizer
from stronglens.training import keras

CERTAIN = 0.9
"""What the discriminator shall say of real images: less than 1, so that it stays uncertain (Salimans et al. 2016)."""

MOST_JUDGED = 1000
"""Samples that are compared with validation images after each epoch."""

SHOWN = 16
"""Images in a frame of the animation."""


class Duel:
    """A generator and a discriminator.

    Parameters
    ----------
    generator, discriminator : keras.Model
        Untrained; see `adversaries`.
    rates : (float or schedule, float or schedule)
        Learning rates of the generator and of the discriminator.
    draw : callable, (random, condition (n, C) or None, n) -> dict
        Draws the inputs of the generator, and of the camera.
    camera : callable, optional
        Adds the camera to points of a functional network: returns observed points and a dict of its inputs.
    features : callable
        Takes what is made, as the discriminator sees it (N, P); returns the features that are compared.
    real : ndarray (N, F)
        Features of validation images.
    condition : ndarray (N, C)
        Their labels, standardised.
    kept : keras.Model
        The network that is saved.
    picture : callable, optional
        Takes the generator's points; returns images for the animation.
    seed : int
    """

    shown = ("generator", "discriminator")

    def __init__(
        self, generator, discriminator, rates: Sequence, draw: Callable, features: Callable, real: np.ndarray,
        condition: np.ndarray, kept: keras.Model, seed: int, camera: Callable | None = None,
        picture: Callable | None = None,
    ):  # fmt: skip
        self.generator, self.discriminator, self.kept = generator, discriminator, kept
        self.draw, self.features, self.picture = draw, features, picture
        self.networks = generator, discriminator
        self.optimizers = make_optimizer(rates[0], True), make_optimizer(rates[1], False)
        for network, optimizer in zip(self.networks, self.optimizers, strict=True):
            optimizer.build(network.trainable_variables)
        inputs = {"code": keras.Input(generator.input_shape[1:], name="code")}
        made = generator(inputs["code"])
        if camera:
            made, more = camera(made)
            inputs |= more
        self.observed = keras.Model(dict(inputs), made)
        judged = {"point": made}
        if condition.shape[1]:
            judged["condition"] = inputs["condition"] = keras.Input(condition.shape[1:], name="condition")
        discriminator.compile(self.optimizers[1], keras.losses.BinaryCrossentropy(from_logits=True))
        discriminator.trainable = False
        self.combined = keras.Model(inputs, discriminator(judged))
        self.combined.compile(self.optimizers[0], keras.losses.BinaryCrossentropy(from_logits=True))
        self.judge_points = Judge(real[:MOST_JUDGED])
        number = len(self.judge_points.real)
        labels = condition[:number] if condition.shape[1] else None
        self.always = draw(np.random.default_rng(seed), labels, number)

    def begin_epoch(self) -> None:
        """Begin the means of the losses."""
        self.discriminator.reset_metrics()
        self.combined.reset_metrics()

    def play(self, batch: tuple, random: np.random.Generator) -> dict[str, float]:
        """Train the discriminator, then, against the frozen one, the generator; return the mean losses."""
        (real, condition), number = batch, len(batch[0])
        more = {} if condition is None else {"condition": condition}
        made = self.make(self.draw(random, condition, number))
        both = {"point": np.concatenate([real, made])}
        both |= {name: np.concatenate([part, part]) for name, part in more.items()}
        wanted = np.repeat([CERTAIN, 0.0], number).astype(np.float32)[:, None]
        self.discriminator.trainable = True
        judged = self.discriminator.train_on_batch(both, wanted, return_dict=True)
        self.discriminator.trainable = False
        inputs = self.draw(random, condition, number) | more
        deceived = self.combined.train_on_batch(inputs, np.ones((number, 1), np.float32), return_dict=True)
        return {"generator": float(deceived["loss"]), "discriminator": float(judged["loss"])}

    def make(self, inputs: dict) -> np.ndarray:
        """Return what the discriminator sees of the generator's work (N, P)."""
        return np.asarray(self.observed.predict_on_batch(inputs))

    def averaged(self) -> AveragedWeights:
        """Context in which the generator has the moving average of its weights."""
        return AveragedWeights(self.generator.trainable_variables, self.optimizers[0])

    def judge(self) -> dict[str, float]:
        """Return coverage, pair distance and distance of samples from validation images."""
        made = self.observed.predict(self.always, batch_size=256, verbose=0)
        return self.judge_points(self.features(made))

    def show(self) -> np.ndarray | None:
        """Return the images of the same random numbers in each epoch."""
        if self.picture is None:
            return None
        return self.picture(np.asarray(self.generator.predict_on_batch(self.always["code"][:SHOWN])))
