"""An output of a network that is explained."""

from dataclasses import dataclass

import numpy as np

from stronglens.training import keras

BATCH = 128
"""Images that are given to a network at a time."""


@dataclass(frozen=True)
class Output:
    """A number that a network computes from an image, such as a label or the logit of a class.

    Attributes
    ----------
    name : str
        For flags and files, such as ``lens`` or ``einstein-radius``.
    head : keras.Model or tuple of keras.Model
        From images (N, H, W[, B]), e-/s, to (N, 1). Several for a committee, whose scores and maps are averaged.
    negative, positive : str
        What a smaller and a larger number mean, such as ``away from a lens`` and ``towards a lens``.
    title : str
        What the number is, such as ``logit of lens less none``.
    unit : str or None
    is_logit : bool
        Whether the logistic function of the number is a probability.
    """

    name: str
    head: keras.Model | tuple[keras.Model, ...]
    negative: str
    positive: str
    title: str
    unit: str | None = None
    is_logit: bool = False

    @property
    def heads(self) -> tuple[keras.Model, ...]:
        """The networks whose mean is the number."""
        return self.head if isinstance(self.head, tuple) else (self.head,)

    def score(self, images: np.ndarray) -> np.ndarray:
        """Return the numbers of images (N, H, W[, B]), e-/s: ndarray (N,) float32."""
        parts = []
        for start in range(0, len(images), BATCH):
            some = images[start : start + BATCH]
            parts.append(np.mean([head.predict_on_batch(some)[:, 0] for head in self.heads], axis=0))
        return np.concatenate(parts)

    def probability(self, images: np.ndarray) -> np.ndarray:
        """Return the logistic function of the numbers, (N,)."""
        return 1 / (1 + np.exp(-self.score(images).astype(float)))


def scoring(head: keras.Model):
    """Return a function from a tensor of images to the scores of a head, (N,)."""
    return lambda images: head(images, training=False)[:, 0]
