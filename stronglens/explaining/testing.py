"""Test whether maps are true, on simulated images and their twins; print and write the tables."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from stronglens.dataset import load_dataset, write_whole
from stronglens.execution import Console
from stronglens.explaining.fidelity import blurred, compare_maps, from_dict
from stronglens.explaining.maps import settings_of
from stronglens.explaining.names import MAPS, chosen_maps
from stronglens.explaining.outputs import Output
from stronglens.parameters import RunError

FIRST = 2 * 10**9
"""Index of the first image of a test: no dataset and no training reaches it."""
CHUNK, MOST_CHUNKS = 64, 20
"""Images that are simulated at once, and the largest number of such chunks."""
ALL = "*"
"""Answer of an image that tests every output."""
COLUMNS = {
    "share": "share", "auroc": "AUROC", "pointing": "pointing", "deletion_zero": "del. zero",
    "deletion_twin": "del. twin", "rho": "rho(truth)", "rho_random": "rho(random)", "milliseconds": "CPU ms",
}  # fmt: skip


def test_outputs(
    parameters, record: Mapping, outputs: Sequence[Output], rebuild: Callable, open_simulation: Callable, twins, console
) -> dict:
    """Compare the maps of each output with the truth; print and write the tables.

    Parameters
    ----------
    parameters, record, outputs, rebuild, open_simulation, twins
        See `run.run_explanation`.
    console : Console

    Returns
    -------
    dict of name of the output to dict
        ``images``, their number; ``words``, how blocks were replaced; ``methods``, dict of method or control to
        `Fidelity.to_dict`.

    Raises
    ------
    RunError
        If no output has two images with the right answer.
    """
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
            console.say(f"{output.name}: not tested, too few images with the right answer whose twin differs")
            continue
        methods = chosen_maps(parameters.method)
        with console.progress(len(images) * (1 + len(methods)), f"testing {output.name}", "maps") as progress:
            found, refused = compare_maps(
                output, images, others, effects, settings_of(parameters), methods, progress.advance
            )
        measured = {name: one.to_dict() for name, one in found.items()}
        tested[output.name] = {"images": len(images), "words": words, "patch": parameters.patch, "methods": measured}
        _print_table(output, measured, refused, len(images), console)
        rows += [{"output": output.name, "method": name, **one} for name, one in measured.items()]
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
            scores = {output.name: output.score(made.images) for output in outputs}
            if ALL not in made.answers:  # an output that answers no image cannot be tested
                wanted = {name: number * (name in made.answers) for name, number in wanted.items()}
            for name, kept in found.items():
                is_right = (made.answers == ALL) | ((made.answers == name) & (scores[name] > 0))
                rows = np.flatnonzero(is_right)[: wanted[name] - len(kept)]
                kept += [(made.images[row], made.twins[row], made.effects[row]) for row in rows]
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
    console.say(f"{'map':24}" + "".join(f"{title:>13}" for title in COLUMNS.values()))
    for name, one in methods.items():
        cells = [one[key] for key in COLUMNS]
        texts = ["-" if value is None else f"{value:.3f}" if key != "milliseconds" else f"{value:.0f}"
                 for key, value in zip(COLUMNS, cells, strict=True)]  # fmt: skip
        note = "".join(f"  {verdict}" for verdict in from_dict(one).verdicts) if name in MAPS else ""
        console.say(f"{name:24}" + "".join(f"{text:>13}" for text in texts) + note)
    for name, reason in refused.items():
        console.say(f"{name}: {reason}")
