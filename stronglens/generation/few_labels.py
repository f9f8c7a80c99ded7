"""What codes are worth when only few images have labels: a label predicted from codes, from components, from pixels."""

from collections.abc import Callable, Sequence

import numpy as np

from stronglens.evaluation import count_draws, draw_resamples, make_entry
from stronglens.generation.baseline import fit_process
from stronglens.generation.components import Components, stretch
from stronglens.generation.network import encode
from stronglens.learning.plan import TrainingPlan
from stronglens.networks import build_backbone
from stronglens.scaling import ImageScaling
from stronglens.training import keras

NUMBERS = 50, 200, 1000
"""Numbers of images with labels."""

STEPS, BATCH = 400, 20
"""Training steps of the network from scratch, for every number of labels, and their images."""

RESAMPLES, LEVEL = 1000, 0.95


def measure_few_labels(
    plan: TrainingPlan, network, scaling: ImageScaling, components: Components, codes: np.ndarray, images: np.ndarray
) -> dict:
    """Predict a label of the test images from few training images with labels.

    From codes and from as many principal components: a Gaussian process (see `baseline.fit_process`). From pixels: a
    convolutional network (the backbone ``report``) that is trained from scratch. All see the same images.

    Parameters
    ----------
    plan : TrainingPlan
    network : keras.Model
    scaling : ImageScaling
    components : Components
    codes : ndarray (N, L)
        Of the test images.
    images : ndarray (N, H, W[, C]), electrons/s
        The test images.

    Returns
    -------
    dict of int to dict of str to entry
        Root mean square error over the label's standard deviation, of ``codes``, ``pca`` and ``scratch``, and ``ratio``
        of the first two, with intervals, by the number of labels.
    """
    parameters, dataset = plan.parameters, plan.dataset
    label, latents = (parameters.few_labels,), codes.shape[1]
    train = plan.split["train"]
    order = np.random.default_rng(parameters.seed).permutation(train)[: max(NUMBERS)]
    learned = dataset.images[order]
    truth = dataset.column_values(label)
    wanted, of_test = truth[order, 0], truth[plan.test[0], 0]
    spread = wanted.std()

    def coefficients(some):
        return components.project(stretch(some, scaling))[:, :latents]

    known = {"codes": encode(network, learned)[0], "pca": coefficients(learned)}
    tested = {"codes": codes, "pca": coefficients(images)}
    found = {}
    numbers = [number for number in NUMBERS if number <= len(order)]
    with plan.console.progress(len(numbers), "learning from few labels", unit="numbers") as progress:
        for number in numbers:
            some = slice(number)
            predicted = {
                name: fit_process(known[name][some], wanted[some], parameters.seed)(tested[name]) for name in known
            }
            predicted["scratch"] = _learn_from_scratch(learned[some], wanted[some], images, scaling, parameters.seed)
            found[number] = _compare(predicted, of_test, spread, parameters.seed)
            progress.advance(1)
    return found


def describe_few_labels(found: dict, label: str) -> list[str]:
    """Return a table of `measure_few_labels`."""
    lines = [f"RMS error of {label} / its standard deviation, by the number of labels"]
    lines.append(f"{'labels':>6}  {'codes':>6}  {'PCA':>6}  {'scratch':>7}  codes / PCA")
    for number, one in found.items():
        values = [one[name]["value"] for name in ("codes", "pca", "scratch")]
        ratio = one["ratio"]
        interval = "" if ratio["low"] is None else f" [{ratio['low']:.3f}, {ratio['high']:.3f}]"
        verdict = ": too few to tell" if ratio["low"] is not None and ratio["low"] <= 1 <= ratio["high"] else ""
        lines.append(
            f"{number:>6}  {values[0]:>6.3f}  {values[1]:>6.3f}  {values[2]:>7.3f}  {ratio['value']:.3f}{interval}"
            f"{verdict}"
        )
    return lines


def _compare(predicted: dict[str, np.ndarray], truth: np.ndarray, spread: float, seed: int) -> dict:
    squares = {name: np.square((values - truth) / spread) for name, values in predicted.items()}
    drawn = {name: np.full(RESAMPLES, np.nan) for name in squares}
    for where, which in draw_resamples(np.random.default_rng(seed), len(truth), RESAMPLES):
        counts = count_draws(which)
        for name, values in squares.items():
            drawn[name][where] = np.sqrt(counts @ values / len(truth))
    entries = {
        name: make_entry(float(np.sqrt(values.mean())), drawn[name], LEVEL, "no test images")
        for name, values in squares.items()
    }
    ratio = entries["codes"]["value"] / entries["pca"]["value"]
    return entries | {"ratio": make_entry(ratio, drawn["codes"] / drawn["pca"], LEVEL, "no error")}


def _learn_from_scratch(
    images: np.ndarray, labels: np.ndarray, tested: np.ndarray, scaling: ImageScaling, seed: int
) -> np.ndarray:
    image, features = build_backbone("report", images.shape[1:], scaling, seed)
    start = keras.initializers.GlorotUniform(seed=seed)
    network = keras.Model(image, keras.layers.Dense(1, kernel_initializer=start, name="label")(features))
    network.compile(keras.optimizers.Adam(3e-4), loss="mean_squared_error")
    random = np.random.default_rng(seed)
    mean, deviation = labels.mean(), labels.std()
    for _ in range(STEPS):
        rows = random.choice(len(images), min(BATCH, len(images)), replace=False)
        network.train_on_batch(images[rows], ((labels[rows] - mean) / deviation)[:, None].astype(np.float32))
    return mean + deviation * network.predict(tested, batch_size=256, verbose=0)[:, 0]


def measure_asked(
    compress: Callable, train: tuple[np.ndarray, np.ndarray], generated: tuple[np.ndarray, np.ndarray],
    real: tuple[np.ndarray, np.ndarray], names: Sequence[str], seed: int,
) -> dict:  # fmt: skip
    """Measure whether generated images have the labels that they were asked for.

    The labels are measured from codes, by Gaussian processes that learn from training images; those of real images,
    whose labels are known, show how well this can be done.

    Parameters
    ----------
    compress : callable
        Takes images; returns codes (N, L).
    train, generated, real : (images (N, H, W), labels (N, C))
        Of generated images, the labels that were asked for.
    names : sequence of C str
    seed : int

    Returns
    -------
    dict of str to dict
        For each label: root mean square ``generated`` and ``real``, and the mean difference ``bias`` of generated
        images, in standard deviations of the label.
    """
    codes = [compress(images) for images, _ in (train, generated, real)]
    found = {}
    for place, name in enumerate(names):
        spread = max(float(train[1][:, place].std()), 1e-30)
        measure = fit_process(codes[0], train[1][:, place], seed)
        wanted = generated[1][:, place], real[1][:, place]
        away = [(measure(one) - labels) / spread for one, labels in zip(codes[1:], wanted, strict=True)]
        found[name] = {
            "generated": float(np.sqrt(np.mean(away[0] ** 2))),
            "real": float(np.sqrt(np.mean(away[1] ** 2))),
            "bias": float(away[0].mean()),
        }
    return found
