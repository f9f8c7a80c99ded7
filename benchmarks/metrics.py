"""The metrics of a test set: what they cost with their bootstrap intervals."""

import numpy as np

from benchmarks.timing import measure_rates
from stronglens.evaluation import classification_metrics, regression_metrics

IMAGES = 7_500


def measure(seconds: float) -> dict:
    """Measure probabilities of three classes, and predictions of six labels, of random images."""
    rng = np.random.default_rng(1)
    classes, probabilities = rng.integers(3, size=IMAGES), rng.dirichlet(np.ones(3), IMAGES)
    labels, names = rng.normal(size=(IMAGES, 6)), list("abcdef")
    predicted = labels + rng.normal(size=labels.shape)
    works = {
        "classification": lambda: classification_metrics(classes, probabilities, ["no", "sphere", "vortex"], seed=0),
        "regression": lambda: regression_metrics(labels, predicted, np.zeros(6), names, seed=0),
    }
    rates = measure_rates({name: (work, 1) for name, work in works.items()}, seconds)
    for name, rate in rates.items():
        print(f"{name:>14}: {1 / rate:.2f} s for {IMAGES:,} images", flush=True)
    return {"images": IMAGES, "seconds": {name: 1 / rate for name, rate in rates.items()}}
