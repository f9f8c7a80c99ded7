"""Objectives: targets and loss."""

import numpy as np
import pytest

from stronglens.parameters import RunError
from stronglens.training import Classification, Regression, keras


def make_classifier(classes=3):
    image = keras.Input((4, 4))
    logits = keras.layers.Dense(classes)(keras.layers.Flatten()(image))
    return keras.Model(image, keras.layers.Softmax()(logits))


def test_classes_are_taught_as_probabilities():
    targets = Classification(3).encode(make_classifier(), np.array([[2.0], [0.0]]), "training")
    assert targets.dtype == np.float32
    assert targets.tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("label", [-1, 3, 0.5])
def test_a_label_that_is_no_class_is_refused(label):
    labels = np.array([[1.0], [label]])
    with pytest.raises(
        RunError, match=rf"the validation labels have the value {label} in row 1, which is not a class: .* 0 to 2"
    ):
        Classification(3).encode(make_classifier(), labels, "validation")


def test_a_network_that_does_not_suit_is_a_mistake():
    labels = np.zeros((2, 1))
    with pytest.raises(ValueError, match="must end with a Rescaling"):
        Regression().encode(make_classifier(), labels, "training")
    with pytest.raises(ValueError, match=r"outputs of shape \(3,\), not \(4,\)"):
        Classification(4).encode(make_classifier(), labels, "training")
    with pytest.raises(ValueError, match="one label"):
        Classification(3).encode(make_classifier(), np.zeros((2, 2)), "training")
    image = keras.Input((4, 4))
    with pytest.raises(ValueError, match="must end with a Softmax"):
        Classification(4).encode(keras.Model(image, keras.layers.Flatten()(image)), labels, "training")


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_loss_is_the_smoothed_cross_entropy(smoothing):
    logits = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]], np.float32)
    truth = np.eye(3, dtype=np.float32)[[0, 2]]
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    target = truth * (1 - smoothing) + smoothing / 3
    expected = -np.mean(np.sum(target * logarithms, axis=1))
    found = Classification(3, smoothing).loss()(truth, logits)
    assert float(found) == pytest.approx(expected, rel=1e-6)
