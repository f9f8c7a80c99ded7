"""Optimizers: the steps they take, what decays, and how the learning rate goes."""

import numpy as np
import pytest

from stronglens.training import keras
from stronglens.training.optimizer import make_optimizer, schedule_rate

RATE = 0.1


def step_thrice(kind, weight_decay, gradient=0.5):
    """Return a kernel and a bias, both of ones, after three steps along the same gradient."""
    variables = [keras.Variable(np.ones(shape, np.float32), name=name) for shape, name in (((2, 2), "k"), ((2,), "b"))]
    optimizer = make_optimizer(kind, RATE, 0.9, weight_decay, variables)
    optimizer.build(variables)
    for _ in range(3):
        optimizer.apply([keras.ops.full(variable.shape, gradient) for variable in variables], variables)
    return [float(variable.numpy().flat[0]) for variable in variables]


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_momentum_descent_takes_the_steps_of_torch(decay):
    weight, velocity = 1.0, 0.0
    for _ in range(3):
        # torch.optim.SGD, as its documentation writes it.
        velocity = 0.9 * velocity + 0.5 + decay * weight
        weight -= RATE * velocity
    kernel, _ = step_thrice("sgd", decay)
    assert kernel == pytest.approx(weight, rel=1e-6)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_kernels_decay_and_biases_do_not(kind):
    kernel, bias = step_thrice(kind, 0.0)
    decayed, kept = step_thrice(kind, 0.2)
    assert kernel == bias == kept
    assert decayed < kernel


def test_decay_of_adam_is_apart_from_its_gradient():
    # Without a gradient nothing moves but by the decay: (1 - rate * decay) a step.
    assert step_thrice("adam", 0.2, gradient=0.0) == [pytest.approx((1 - RATE * 0.2) ** 3, rel=1e-6), 1.0]


def test_an_unknown_optimizer_is_a_mistake():
    with pytest.raises(ValueError, match="use one of adam, sgd"):
        make_optimizer("lion", RATE, 0.9, 0.0, [])


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("warm_up", [0, 20])
def test_rate_rises_to_its_value_and_goes_on_by_its_schedule(schedule, warm_up):
    rate = schedule_rate(RATE, schedule, 100, warm_up)
    found = [float(rate(step)) if callable(rate) else rate for step in range(101)]
    steps = np.arange(101)
    falling = (1 + np.cos(np.pi * (steps - warm_up) / (100 - warm_up))) / 2 if schedule == "cosine" else 1
    expected = RATE * np.where(steps < warm_up, steps / max(1, warm_up), falling)
    # cos in float32, beside a sum of 1.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_exponential_rate_falls_in_stairs():
    rate = schedule_rate(RATE, "exponential", 20_000, 0)
    found = [float(rate(step)) for step in (0, 4999, 5000, 9999, 10_000)]
    np.testing.assert_allclose(found, [RATE, RATE, 0.96 * RATE, 0.96 * RATE, 0.96**2 * RATE], rtol=1e-6)
