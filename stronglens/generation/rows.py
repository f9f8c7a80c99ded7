"""Autoencoders of spectra and of other rows of numbers, beside principal components; masked numbers do not count."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stronglens.dataset import split_indices, write_whole
from stronglens.evaluation import count_draws, draw_resamples, make_entry
from stronglens.execution import Console
from stronglens.generation import figures
from stronglens.generation.components import Components
from stronglens.generation.network import Parts, add_components, build_dense, codes_of
from stronglens.generation.objective import PointBatches, Reconstruction
from stronglens.generation.spectra import read_iris, read_spectra
from stronglens.learning.plan import TrainingPlan
from stronglens.learning.report import write_figures
from stronglens.learning.train import settings_of_fit
from stronglens.sampling import Stream, generator
from stronglens.training import fit, keras, load_network, remove_state, save_network, spread_seed

KINDS = "linear", "relu", "vae"
"""Autoencoders that are compared: linear layers; with hidden ReLU layers; variational, with hidden SiLU layers."""

NUMBERS, NUMBERS_OF_IRIS = (2, 4, 6, 10), (1, 2, 3)
"""Numbers of codes."""

MOST_COMPONENTS, SHARE = 64, 4
"""Largest number of components that networks work on, and training rows for each: fewer rows determine fewer."""

FILLINGS, SETTLED = 10, 1e-3
"""Most rounds in which masked numbers are filled by components that are fitted again, and the change that ends them."""

RIDGE = 1e-3

EQUAL = 0.01
"""Width of the interval of a ratio below which an error is said to be that of PCA, if the interval contains 1."""

RESAMPLES, LEVEL = 1000, 0.95


@dataclass(frozen=True)
class MaskedReconstruction(Reconstruction):
    """Learn to restore rows; masked numbers have no part in the error."""

    def squared_error(self, targets: Any, output: Any) -> Any:
        """Return the mean squared error of the good numbers of each row, (B,); targets (B, 2 P): rows and masks."""
        values, is_good = targets[:, : self.pixels], targets[:, self.pixels :]
        squares = keras.ops.square(values - output[:, : self.pixels]) * is_good
        return keras.ops.sum(squares, axis=-1) / keras.ops.sum(is_good, axis=-1)


class _RowBatches(PointBatches):
    # Rows with their masks as targets.
    def __init__(self, rows: np.ndarray, is_good: np.ndarray, *arguments):
        super().__init__(rows[None].astype(np.float32), np.zeros((1, len(rows)), np.float32), *arguments)
        self.is_good = is_good.astype(np.float32)

    def read(self, start, stop):
        inputs, targets = super().read(start, stop)
        rows = self._draw()[0][start:stop]
        return inputs, np.concatenate([targets[:, :-1], self.is_good[rows]], axis=1)


def plan_rows(parameters, console: Console) -> TrainingPlan:
    """Read the spectra or the example, and split the rows at random."""
    rows = read_iris() if parameters.example else read_spectra(parameters.spectra)
    number = len(rows.values)
    console.say(f"{rows.title}, {rows.values.shape[1]} numbers each; {rows.is_good.mean():.1%} of them are good")
    random = generator(parameters.seed, Stream.SPLIT)
    split = split_indices(number, parameters.valid_split, parameters.test_split, random, strata=rows.classes)
    data: Any = rows  # not a dataset, but what this task has in its place
    return TrainingPlan(parameters, data, split, (), np.empty((number, 0)), None, console)


def train_rows(plan: TrainingPlan) -> dict[str, list[float]]:
    """Train each kind of autoencoder with each number of codes; return the history of the last one."""
    components, filled = fit_rows(plan)
    history: dict[str, list[float]] = {}
    for latents in numbers_of(plan, components):
        for kind in KINDS:
            history = _fit_one(plan, components, filled, kind, latents)
    return history


def numbers_of(plan: TrainingPlan, components: Components) -> list[int]:
    """Return the numbers of codes that are compared."""
    numbers = NUMBERS_OF_IRIS if plan.parameters.example else NUMBERS
    return [number for number in numbers if number <= len(components.deviation)]


def fit_rows(plan: TrainingPlan) -> tuple[Components, np.ndarray]:
    """Fit components to the good numbers of the training rows, and fill the masked ones of all rows.

    Masked numbers are filled by the components, which are then fitted again (Yip et al. 2004, AJ 128, 585).

    Returns
    -------
    components : Components
    filled : ndarray (N, P)
    """
    rows: Any = plan.dataset
    train = plan.split["train"]
    number = min(MOST_COMPONENTS, rows.values.shape[1], max(2, len(train) // SHARE))
    mean = np.average(rows.values[train], axis=0, weights=np.maximum(rows.is_good[train], 1e-9))
    filled = np.where(rows.is_good[train], rows.values[train], mean)
    components = _decompose(filled, number)
    if not rows.is_good.all():
        for _ in range(FILLINGS):
            restored = components.restore(project_good(components, rows.values[train], rows.is_good[train]))
            before, filled = filled, np.where(rows.is_good[train], rows.values[train], restored)
            components = _decompose(filled, number)
            if np.abs(filled - before).max() < SETTLED:
                break
    restored = components.restore(project_good(components, rows.values, rows.is_good))
    return components, np.where(rows.is_good, rows.values, restored)


def project_good(components: Components, values: np.ndarray, is_good: np.ndarray, number: int | None = None):
    """Return the coefficients (N, K) of rows (N, P), from their good numbers alone, by regularised least squares."""
    axes = (components.axes * components.deviation[:, None])[:number].astype(float)
    right = np.where(is_good, values - components.mean, 0.0) @ axes.T
    whole = axes @ axes.T
    found = np.linalg.solve(whole, right.T).T
    for row in np.flatnonzero(~is_good.all(axis=1)):
        bad = axes[:, ~is_good[row]]
        normal = whole - bad @ bad.T
        ridge = RIDGE * np.trace(normal) / len(axes) * np.eye(len(axes))
        found[row] = np.linalg.solve(normal + ridge, right[row])
    return found


def report_rows(plan: TrainingPlan, history: Mapping) -> dict:
    """Compare the autoencoders with principal components on the test rows; write ``metrics.json`` and figures."""
    parameters, say = plan.parameters, plan.console.say
    rows: Any = plan.dataset
    components, filled = fit_rows(plan)
    test = plan.split["test"] if len(plan.split["test"]) else plan.split["valid"]
    values, is_good = rows.values[test], rows.is_good[test]
    numbers, metrics, restored = numbers_of(plan, components), {}, {}
    say(f"RMS error of {len(test)} test rows, and its ratio to that of PCA")
    say(f"{'codes':>5}  {'PCA':>7}  " + "  ".join(f"{kind:>27}" for kind in KINDS))
    for latents in numbers:
        restored["pca", latents] = components.restore(project_good(components, values, is_good, latents))
        for kind in KINDS:
            network, _ = load_network(_file_of(parameters, kind, latents))
            restored[kind, latents] = network.predict(filled[test].astype(np.float32), verbose=0)
        errors = {kind: _errors(restored[kind, latents], values, is_good) for kind in ("pca", *KINDS)}
        metrics[latents] = _compare(errors, parameters.seed)
        cells = [_describe(metrics[latents][kind]) for kind in KINDS]
        say(f"{latents:>5}  {metrics[latents]['pca']['rms']:>7.4f}  " + "  ".join(f"{cell:>27}" for cell in cells))
    write_whole(parameters.figures_dir / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    drawn = {"errors": figures.draw_row_errors(metrics, KINDS, rows.title)}
    shown = numbers[min(1, len(numbers) - 1)]
    if rows.axis is not None:
        drawn["components"] = figures.draw_components(rows.axis, components, rows.title)
        some = {kind: restored[kind, shown][:4] for kind in ("pca", "vae")}
        names = [rows.names[row] for row in test[:4]]
        drawn["spectra"] = figures.draw_spectra(rows.axis, values[:4], is_good[:4], some, names, shown)
    network, record = load_network(_file_of(parameters, "vae", shown))
    save_network(network, parameters.model_file, record)
    codes = np.asarray(codes_of(network.get_layer("encoder").predict(filled.astype(np.float32), verbose=0)))
    drawn["codes"] = figures.draw_row_codes(components.project(filled), codes, rows.classes)
    for kind in KINDS:
        for latents in numbers:
            remove_state(_file_of(parameters, kind, latents))
    write_figures(plan, drawn, "metrics.json")
    return metrics


def _fit_one(plan: TrainingPlan, components: Components, filled: np.ndarray, kind: str, latents: int) -> dict:
    parameters = replace(
        plan.parameters, latents=latents, model_file=_file_of(plan.parameters, kind, latents), quiet=True,
        figures_dir=plan.parameters.figures_dir / f"{kind}-{latents}",
    )  # fmt: skip
    parts = build_rows_network(kind, components, latents, parameters.width, parameters.depth, parameters.seed)
    size = filled.shape[1]
    objective = MaskedReconstruction(parts, np.ones(size, np.float32), size, latents, kind == "vae")
    rows: Any = plan.dataset

    def make(name: str, seed: int | None):
        some = plan.split[name]
        return lambda batch_size, multiple: _RowBatches(
            filled[some], rows.is_good[some], batch_size, multiple, objective, seed
        )

    record = {"task": parameters.task, "network": kind, "latents": latents, "rows": rows.title}
    record["wavelength"] = None if rows.axis is None else rows.axis.tolist()
    history = fit(
        parts.network, make("train", parameters.seed), make("valid", None), label_names=(), objective=objective,
        record=record, **settings_of_fit(parameters),
    )  # fmt: skip
    plan.console.say(f"{kind}, {latents} codes: RMS error {min(history['val_rms']):.4f} of the validation rows")
    return history


def build_rows_network(kind: str, components: Components, latents: int, width: int, depth: int, seed: int) -> Parts:
    """Build an untrained autoencoder of rows (B, P), which begins as PCA.

    Parameters
    ----------
    kind : {"linear", "relu", "vae"}
    components : Components
    latents, width, depth, seed : int
        See `network.build_network`.
    """
    seeds = iter(spread_seed(seed, 2 * depth + 16))
    inner = build_dense(
        "vae" if kind == "vae" else "autoencoder", components, latents, width, 0 if kind == "linear" else depth, seeds,
        "relu" if kind == "relu" else "silu",
    )  # fmt: skip
    point, code = keras.Input(components.mean.shape, name="point"), keras.Input((latents,), name="code")
    into, out_of = add_components(components)
    encoder = keras.Model(point, inner[0](into(point)), name="encoder")
    decoder = keras.Model(code, out_of(inner[1](code)), name="decoder")
    return Parts(keras.Model(point, decoder(codes_of(encoder(point))), name=kind), encoder, decoder)


def _file_of(parameters, kind: str, latents: int):
    path = parameters.model_file
    return path.with_name(f"{path.stem}.{kind}-{latents}.keras")


def _decompose(filled: np.ndarray, number: int) -> Components:
    mean = filled.mean(axis=0)
    away = filled - mean
    is_wide = len(filled) < filled.shape[1]
    squares, vectors = np.linalg.eigh(away @ away.T if is_wide else away.T @ away)  # the smaller one
    values = np.sqrt(np.maximum(squares[::-1][:number], 1e-10))
    axes = vectors[:, ::-1][:, :number].T
    if is_wide:
        axes = axes @ away / values[:, None]
    deviation = np.maximum(values / np.sqrt(len(filled)), 1e-6)
    return Components(mean.astype(np.float32), axes.astype(np.float32), deviation.astype(np.float32))


def _errors(restored: np.ndarray, values: np.ndarray, is_good: np.ndarray) -> np.ndarray:
    return (np.square(restored - values) * is_good).sum(axis=1) / is_good.sum(axis=1)


def _compare(errors: Mapping[str, np.ndarray], seed: int) -> dict:
    number = len(errors["pca"])
    drawn = {kind: np.full(RESAMPLES, np.nan) for kind in errors}
    for where, which in draw_resamples(np.random.default_rng(seed), number, RESAMPLES):
        counts = count_draws(which)
        for kind, values in errors.items():
            drawn[kind][where] = np.sqrt(counts @ values / number)
    found = {}
    for kind, values in errors.items():
        rms = float(np.sqrt(values.mean()))
        ratio = rms / np.sqrt(errors["pca"].mean())
        found[kind] = {"rms": rms, "ratio": make_entry(ratio, drawn[kind] / drawn["pca"], LEVEL, "no error")}
    return found


def _describe(one: Mapping) -> str:
    ratio = one["ratio"]
    if ratio["low"] is None:
        return f"{one['rms']:.4f}"
    tells = ""
    if ratio["low"] <= 1 <= ratio["high"]:
        tells = " as PCA" if ratio["high"] - ratio["low"] < EQUAL else " too few to tell"
    return f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]{tells}"
