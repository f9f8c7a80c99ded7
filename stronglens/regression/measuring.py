"""What is measured on a telescope image, and what it is worth."""

from contextlib import nullcontext
from pathlib import PurePath

import numpy as np

from stronglens.measuring import Answer, Measurement, measure_files, refuse, write_measurements
from stronglens.parameters import Column, RunError, UsageError
from stronglens.plotting import save_figure, write_captions
from stronglens.regression.export import export_coolest
from stronglens.regression.familiarity import Familiarity, View
from stronglens.regression.figures import draw_lens_model
from stronglens.regression.lens_model import columns_of_shape, model_lens
from stronglens.regression.posterior import Posterior
from stronglens.regression.published import (
    PublishedLens,
    PublishedTable,
    derive_quantities,
    posterior_table,
    summarize,
    write_posteriors,
)


def measure(parameters, network, record: dict, made_with, open_simulation) -> None:
    """Measure files with a trained network: a table, ``measured.csv`` and a figure.

    With a posterior also ``posteriors.csv``, a figure of each lens with its model image where the network learned
    enough for one, and COOLEST files where they are asked for.

    Parameters
    ----------
    parameters : TrainingParameters
    network : keras.Model
    record : dict, as saved with the network
    made_with : SimulationParameters of the training set; None where they are not known
    open_simulation : callable, opens an executor of another process, which may import PyAutoLens

    Raises
    ------
    RunError
        When the network is of another task, or a file cannot be used (after all others were written).
    UsageError
        When a flag asks for a posterior that the network does not give.
    """
    posterior = Posterior(network, record) if record.get("posterior") else None
    for name in ("published", "coolest"):
        if posterior is None and getattr(parameters, name):
            raise UsageError(f"--{name} needs a network that gives a posterior: train one with --posterior=flow")
    measurements, refused = measure_files(
        parameters, network, record, _Answering(parameters, network, record, posterior)
    )
    columns = [Column.from_dict(item) for item in record["labels"]]
    heads = [f"{column.name} [{column.unit}]" if column.unit else column.name for column in columns]
    values = np.array([measurement.values for measurement in measurements]).reshape(-1, len(columns))
    captions = write_captions(values, columns, most=len(columns))
    worth = _worth(columns, posterior is not None)
    if posterior is None or not measurements:
        write_measurements(parameters, record["pixel-scale"], measurements, refused, heads, captions, worth)
        return
    lenses = _Lenses(parameters, record, made_with, columns)
    captions = [_add_deviations(text, one.answer.draws) for text, one in zip(captions, measurements, strict=True)]
    tables = lenses.tables(measurements)
    write_measurements(parameters, record["pixel-scale"], measurements, [], heads, captions, worth, tables)
    with open_simulation() if lenses.has_models else nullcontext() as executor:
        problems = lenses.draw(measurements, executor)
    refuse([*refused, *problems])


class _Answering:
    """What the network makes of an image: called with (H, W), e-/s."""

    def __init__(self, parameters, network, record, posterior):
        self.parameters, self.network, self.posterior = parameters, network, posterior
        self.familiarity = Familiarity.from_dict(record.get("familiarity"))
        self.view = View(network)

    def __call__(self, image: np.ndarray) -> Answer:
        seen = self.view(image[None])
        notes = () if self.familiarity is None else (self.familiarity.describe(seen),)
        if self.posterior is None:
            return Answer(self.network.predict(image[None], verbose=0)[0], notes=notes)
        draws = self.posterior.sample(seen["summary"], self.parameters.posterior_draws, self.parameters.seed)[0]
        return Answer(draws.mean(axis=0), draws, notes)


class _Lenses:
    """Posteriors of measured lenses, beside what is published of them."""

    def __init__(self, parameters, record, made_with, columns: list[Column]):
        self.parameters, self.made_with, self.learned = parameters, made_with, columns
        self.labels = [column.name for column in columns]
        self.pixel_scale = record["pixel-scale"]
        self.lens_model = (record.get("simulation") or {}).get("lens-model", "")
        # Which quantities there are does not depend on their values.
        self.columns, _ = derive_quantities(columns, np.zeros((1, len(columns))), self.lens_model)
        self.published = PublishedTable(parameters.published, self.columns) if parameters.published else None
        self.why_no_model = None
        try:
            if made_with is None:
                raise RunError("no model image: the network's record does not say how its training set was simulated")
            columns_of_shape(made_with, self.labels)
        except RunError as error:
            if parameters.coolest:
                raise RunError(f"--coolest: {error}") from None
            self.why_no_model = str(error)

    @property
    def has_models(self) -> bool:
        return self.why_no_model is None

    def tables(self, measurements: list[Measurement]) -> list[str]:
        """Write ``posteriors.csv`` and return the lines of a table for each file."""
        summaries = {one.observation.name: self._summarise(one) for one in measurements}
        write_posteriors(self.parameters.figures_dir / "posteriors.csv", summaries)
        lines = []
        for one in measurements:
            found = posterior_table(one.observation.name, summaries[one.observation.name], self._find(one).notes)
            lines += [*found, ""]
        if self.why_no_model:
            lines += [self.why_no_model, ""]
        return lines

    def draw(self, measurements: list[Measurement], executor) -> list[str]:
        """Draw a figure of each lens, and write its COOLEST file; return what went wrong."""
        folder, problems = self.parameters.figures_dir, []
        stems = _name_files([one.path for one in measurements])
        for one, stem in zip(measurements, stems, strict=True):
            model, notes = None, [note for note in one.answer.notes]
            if executor is None:
                notes.append(self.why_no_model)
            else:
                seen = one.prepared
                try:
                    model = model_lens(
                        self.made_with, self.labels, one.answer.draws, seen.image, seen.noise, seen.mask, executor
                    )
                    notes += model.notes
                    if self.parameters.coolest:
                        path, found = folder / f"{stem}.json", self._find(one)
                        export_coolest(
                            path, self.made_with, self.labels, one.answer.draws, model, found, executor
                        )
                        if not self.parameters.quiet:
                            print(f"COOLEST: {path}")
                except RunError as error:
                    problems.append(f"{one.observation.name}: {error}")
                    notes.append(str(error))
            columns, values = derive_quantities(self.learned, one.answer.draws, self.lens_model)
            figure = draw_lens_model(
                one.observation.name, one.prepared.image, one.prepared.mask, self.pixel_scale, columns, values,
                self._summarise(one), model, notes, self.parameters.cmap,
            )  # fmt: skip
            path = save_figure(figure, folder / f"lens_{stem}.{self.parameters.figure_format}")
            if not self.parameters.quiet:
                print(f"Posterior and model: {path}")
        return problems

    def _find(self, one: Measurement) -> PublishedLens:
        return self.published.of(one.path) if self.published else PublishedLens({})

    def _summarise(self, one: Measurement):
        columns, values = derive_quantities(self.learned, one.answer.draws, self.lens_model)
        return summarize(columns, values, self._find(one).values)


def _name_files(paths: list[str]) -> list[str]:
    """Return a name for the figures of each file: its own, with its folder's where several files share one."""
    stems = [PurePath(path).name.split(".")[0] for path in paths]
    names = []
    for path, stem in zip(paths, stems, strict=True):
        parent = PurePath(path).parent.name
        name = f"{parent}_{stem}" if stems.count(stem) > 1 and parent else stem
        names.append(f"{name}_{names.count(name) + 1}" if name in names else name)
    return names


def _add_deviations(caption: str, draws: np.ndarray) -> str:
    lines = zip(caption.splitlines(), draws.std(axis=0), strict=True)
    return "\n".join(rf"{line} $\pm$ {deviation:.2g}" for line, deviation in lines)


def _worth(columns: list[Column], has_posterior: bool) -> list[str]:
    """Say what the training set assumes: a network returns its prior where an image tells it nothing."""
    what = "A posterior under the training set's prior" if has_posterior else "A point estimate without an error bar"
    lines = [f"{what}, and only as good as the simulation is like this image."]
    for column in columns:
        if column.prior is not None:
            low, high = column.prior
            lines.append(f"  {column.name}: trained on {low:g} to {high:g}; it knows nothing outside of that")
    return lines
