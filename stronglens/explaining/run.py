"""Explain a trained network: maps of images, their test, ascents and kernels."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from stronglens.atomic import replacing
from stronglens.dataset import load_dataset, write_whole
from stronglens.execution import Console
from stronglens.explaining.fidelity import LARGEST_RANDOM, blurred, compare_maps, describe_fidelity
from stronglens.explaining.figures.page import draw_page
from stronglens.explaining.images import ExplainedImage, read_images
from stronglens.explaining.maps import METHODS, Settings, why_refused
from stronglens.explaining.names import ASCENTS, MAPS
from stronglens.explaining.occlusion import background_noise
from stronglens.explaining.outputs import Output
from stronglens.explaining.request import chosen_methods
from stronglens.measuring import ImageReader, TrainingImages
from stronglens.parameters import RunError, UsageError
from stronglens.plotting import save_figure
from stronglens.training import keras, save_network

FIRST = 2 * 10**9
"""Index of the first image of a test: no dataset and no training reaches it."""
CHUNK = 64
MOST_CHUNKS = 40
ALL = "*"
COLUMNS = {
    "share": "share in light", "auroc": "pixel AUROC", "pointing": "pointing", "deletion_zero": "del. zero",
    "deletion_twin": "del. twin", "rho": "rho(truth)", "rho_random": "rho(random)", "milliseconds": "CPU ms",
}  # fmt: skip
CAVEATS = (
    "A map shows what this network responds to, not what makes the image what it is; it is no evidence that the answer "
    "is right.",
    "The map of a wrong answer looks as convincing. Pixels are not independent: a white pixel can matter together with "
    "others.",
)


def run_explanation(
    parameters,
    network: keras.Model,
    record: Mapping,
    outputs: Sequence[Output],
    training_images: TrainingImages,
    rebuild: Callable,
    open_simulation: Callable,
    twins,
    make_reader: Callable[..., ImageReader] = ImageReader,
) -> None:
    """Test the maps of a network, and explain images.

    Parameters
    ----------
    parameters : Parameters
        Of the training.
    network : keras.Model
    record : mapping
        As saved with the network.
    outputs : sequence of Output
    training_images : TrainingImages
    rebuild : callable
        Takes the simulation parameters in a record; returns Parameters.
    open_simulation : callable
        Opens an executor of another process, which may import PyAutoLens.
    twins : module
        With ``simulate_twins(parameters, indices, as_stored=False)`` and ``WORDS``, what a twin is.
    make_reader : callable
        Takes the parameters and the training images; returns the reader of the images.

    Raises
    ------
    RunError, UsageError
        If an image, an output or a method cannot be used.
    """
    console = Console(parameters.quiet)
    if parameters.output is not None and parameters.output not in (known := [ALL, *(one.name for one in outputs)]):
        raise UsageError(f"--output={parameters.output} must be one of {', '.join(known[1:])}")
    if parameters.explain_test:
        tested = _test(parameters, record, outputs, rebuild, open_simulation, twins, console)
        record = dict(record) | {"explained": dict(record.get("explained", {})) | tested}
        save_network(network, parameters.model_file, record)
    if not parameters.explain:
        return
    if parameters.method in (*ASCENTS, "activations"):
        raise UsageError("not yet")
    images = read_images(parameters, record, training_images, rebuild, open_simulation, twins, make_reader, console)
    for one in images:
        for note in one.notes:
            console.say(f"  {one.name}: {note}")
        for output in _choose(parameters, outputs, one):
            _explain(parameters, record, output, one, training_images.pixel_scale, twins.WORDS, console)


def settings_of(parameters) -> Settings:
    """Return the settings of the maps that the flags give."""
    return Settings(
        parameters.patch, parameters.stride, parameters.fill, parameters.steps, parameters.layer, parameters.seed
    )


def _choose(parameters, outputs: Sequence[Output], one: ExplainedImage) -> list[Output]:
    """Return the outputs to explain: those that are named, the most probable class, or the first label."""
    if parameters.output is not None:
        return [output for output in outputs if output.name == parameters.output]
    if outputs[0].is_logit and len(outputs) > 1:
        return [max(outputs, key=lambda output: output.score(one.image[None])[0])]
    return list(outputs[:1])


def _explain(parameters, record, output: Output, one: ExplainedImage, pixel_scale, words: str, console) -> None:
    """Make the maps of one output for one image; write a figure and arrays."""
    settings, folder = settings_of(parameters), parameters.figures_dir
    tested = record.get("explained", {}).get(output.name, {})
    maps, lines, refused, arrays = {}, {}, {}, {"image": one.image}
    score = float(output.score(one.image[None])[0])
    twin = None if one.twin is None else one.twin[None]
    for name in chosen_methods(parameters.method):
        title = METHODS[name].title
        if reason := why_refused(output, name):
            refused[title] = reason
            continue
        values = METHODS[name].make(output, one.image[None], settings, twin)[0]
        if not values.any():
            refused[title] = "zero everywhere: every weighted feature map lowers the output"
            continue
        maps[title], arrays[name] = values, values
        lines[title] = _write_lines(tested.get("methods", {}), name)
    if refused and not maps:
        raise RunError(f"{one.name}: {next(iter(refused.values()))}")
    outline = None
    if twin is not None:
        if parameters.method == "all" and settings.fill != "twin":
            truth = Settings(settings.patch, None, "twin")
            title = f"occlusion by the twin ({settings.patch} x {settings.patch})"
            maps[title] = arrays["twin-occlusion"] = METHODS["occlusion"].make(output, one.image[None], truth, twin)[0]
            lines[title] = [f"twin: the same image {words}", f"{output.title} {_number(output, twin[0])}"]
        flat = one.image if one.image.ndim == 2 else one.image.mean(axis=-1)
        outline = np.abs(one.effect if one.effect.ndim == 2 else one.effect.mean(axis=-1)) / background_noise(flat)
    figure = draw_page(
        f"What the network looks at: {one.name}",
        f"{output.title} = {_number(output, one.image)}; contours: the light that is looked for, at 1 and 5 x the noise"
        if outline is not None
        else f"{output.title} = {_number(output, one.image)}",
        one.image, maps, lines, refused, (output.negative, output.positive),
        [*CAVEATS, *_describe_test(tested)], pixel_scale, parameters.cmap, outline,
    )  # fmt: skip
    stem = f"explained_{one.stem}_{output.name}" + ("" if parameters.method == "all" else f"_{parameters.method}")
    path = save_figure(figure, folder / f"{stem}.{parameters.figure_format}")
    write_arrays(folder / f"{stem}.npz", arrays | {"score": np.array(score)})
    console.say(f"{one.name}: {output.title} = {_number(output, one.image)}")
    for title, reason in refused.items():
        console.say(f"  {title}: {reason}")
    console.say(f"Figure: {path}; arrays: {stem}.npz")


def write_arrays(path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a ``.npz`` file, completely or not at all.

    Raises
    ------
    RunError
        If the file cannot be written.
    """
    try:
        with replacing(path) as aside, open(aside, "wb") as file:
            np.savez_compressed(file, **{name.replace("-", "_"): values for name, values in arrays.items()})
    except OSError as error:
        raise RunError(f"{path}: cannot write the arrays ({error.strerror or error})") from error


def _number(output: Output, image: np.ndarray) -> str:
    score = float(output.score(image[None])[0])
    if output.is_logit:
        return f"{score:.2f}, P = {1 / (1 + np.exp(-score)):.3g}"
    return f"{score:.4g}" + (f" {output.unit}" if output.unit else "")


def _write_lines(tested: Mapping, name: str) -> list[str]:
    """Return what is written beneath a map: the numbers of its test."""
    if name not in tested:
        return ["not tested: --explain-test"]
    line = describe_fidelity(tested, name)
    head, _, tail = line.partition(": ")
    lines = [tail]
    at_random = tested[name]["rho_random"]
    if not tested[name]["is_better"]:
        lines.append("no better than brightness")
    elif at_random is not None and abs(at_random) > LARGEST_RANDOM:
        lines.append("fails: it changes too little with random weights")
    else:
        lines.append(head)
    return lines


def _describe_test(tested: Mapping) -> list[str]:
    if not tested:
        return ["Whether these maps are true has not been tested: run --explain-test=48."]
    return [
        f"rho: Spearman's correlation of a map with the change of the output when each block is replaced, "
        f"{tested['images']} images ({tested['words']}). Of brightness: that of the image itself."
    ]


def _test(parameters, record, outputs, rebuild, open_simulation, twins, console: Console) -> dict:
    """Compare the maps of each output with the truth; print and write the tables; return them."""
    simulation = record.get("simulation")
    words = (
        f"by the twin, {twins.WORDS}" if simulation else "by blur: weaker, since it removes more than what is tested"
    )
    wanted = [one for one in outputs if parameters.output in (None, one.name)]
    console.say(f"Truth: the change of the output when each block is replaced {words}")
    if simulation:
        chosen = _simulate_tests(parameters, rebuild(simulation), wanted, open_simulation, twins, console)
    else:
        chosen = _take_tests(parameters, record, wanted)
    tested, rows = {}, []
    for output in wanted:
        images, others, effects = chosen[output.name]
        if len(images) < 2:
            console.say(f"{output.name}: fewer than two images with the right answer; not tested")
            continue
        with console.progress(len(images), f"replacing blocks, {output.name}") as progress:
            found, refused = compare_maps(
                output, images, others, effects, settings_of(parameters), chosen_methods(parameters.method),
                progress.advance,
            )  # fmt: skip
        methods = {name: one.to_dict() for name, one in found.items()}
        tested[output.name] = {"images": len(images), "words": words, "patch": parameters.patch, "methods": methods}
        _print_table(output, methods, refused, len(images), console)
        rows += [{"output": output.name, "method": name, **one} for name, one in methods.items()]
    if not tested:
        raise RunError("no output could be tested: too few images have the right answer")
    folder = parameters.figures_dir
    write_whole(folder / "explain_test.json", json.dumps(tested, indent=1) + "\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / "explain_test.csv", text.getvalue())
    console.say(f"Tables: {folder / 'explain_test.csv'}, explain_test.json; kept in {parameters.model_file}")
    return tested


def _simulate_tests(parameters, simulation, outputs, open_simulation, twins, console) -> dict:
    """Return images with the right answer, their twins and effects, by output."""
    found: dict[str, list] = {output.name: [] for output in outputs}
    wanted = _share_images(parameters.explain_test, outputs)
    with (
        open_simulation() as executor,
        console.progress(sum(wanted.values()), "simulating") as progress,
    ):
        for chunk in range(MOST_CHUNKS):
            if all(len(found[name]) >= number for name, number in wanted.items()):
                break
            start = FIRST + CHUNK * chunk
            work = partial(twins.simulate_twins, simulation)
            made = executor.submit(work, range(start, start + CHUNK)).result()
            scores = {output.name: output.score(made["images"]) for output in outputs}
            for name, kept in found.items():
                is_right = (made["answers"] == ALL) | ((made["answers"] == name) & (scores[name] > 0))
                rows = np.flatnonzero(is_right)[: wanted[name] - len(kept)]
                kept += [tuple(made[key][row] for key in ("images", "twins", "effects")) for row in rows]
                progress.advance(len(rows))
    return {name: [np.stack(part) for part in zip(*kept, strict=True)] if kept else [[]] * 3
            for name, kept in found.items()}  # fmt: skip


def _take_tests(parameters, record, outputs) -> dict:
    """Return test images of the dataset and the same images blurred, by output."""
    dataset = load_dataset(parameters.dataset_dir, parameters.task, in_memory=False)
    rows = np.array(record["split"]["test"] or record["split"]["valid"])
    images = dataset.images[np.sort(rows[: 20 * parameters.explain_test])]
    scores = {output.name: output.score(images) for output in outputs}
    found, wanted = {}, _share_images(parameters.explain_test, outputs)
    for output in outputs:
        is_right = scores[output.name] > 0 if output.is_logit else np.full(len(images), True)
        some = images[np.flatnonzero(is_right)[: wanted[output.name]]]
        found[output.name] = some, blurred(some) if len(some) else some, None
    return found


def _share_images(number: int, outputs: Sequence[Output]) -> dict[str, int]:
    """Return the number of images of each output: classes share them, labels have them all."""
    classes = len(outputs) if outputs[0].is_logit else 1
    return {output.name: -(-number // classes) for output in outputs}


def _print_table(output: Output, methods: Mapping, refused: Mapping, number: int, console: Console) -> None:
    console.say(f"\n{output.title}, {number} images")
    console.say(f"{'map':24}" + "".join(f"{title:>16}" for title in COLUMNS.values()))
    for name, one in methods.items():
        cells = [one[key] for key in COLUMNS]
        texts = ["-" if value is None else f"{value:.3f}" if key != "milliseconds" else f"{value:.0f}"
                 for key, value in zip(COLUMNS, cells, strict=True)]  # fmt: skip
        note = ""
        if name in MAPS:
            note = "" if one["is_better"] else "  no better than brightness"
            if one["rho_random"] is not None and abs(one["rho_random"]) > LARGEST_RANDOM:
                note += "  fails with random weights"
        console.say(f"{name:24}" + "".join(f"{text:>16}" for text in texts) + note)
    for name, reason in refused.items():
        console.say(f"{name}: {reason}")
