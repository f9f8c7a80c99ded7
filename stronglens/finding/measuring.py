"""Score telescope images, and print what the probabilities assume."""

from collections.abc import Mapping

from stronglens.execution import Console
from stronglens.finding.cubes import write_scores
from stronglens.finding.labels import LENS
from stronglens.finding.outputs import check_record
from stronglens.finding.reading import BandReader
from stronglens.measuring import measure_files, read_training_images, refuse, write_measurements
from stronglens.measuring.classes import ClassPredictor

HEADERS = ["P(lens)"]
CAVEATS = (
    "P(lens) assumes as many lenses as other galaxies. Where one in 2,000 is a lens, divide the odds by 1,999.",
    "It was learned from simulations: real images have more kinds of other galaxies than these.",
)


def measure(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Score files with a trained network, and write ``measured.csv`` and a figure.

    Parameters
    ----------
    parameters : FindingTraining
    network : keras.Model
    record : dict
        As saved with the network.
    rebuild, open_simulation
        Not used: probabilities have no model image.

    Raises
    ------
    RunError
        If the network was trained for another task, or a file cannot be used (after all others were written).
    UsageError
        If a flag has an invalid value, does not apply to this network, or names a file that does not exist.
    """
    training_images = read_training_images(parameters, record, network)
    check_record(parameters, record, network)
    if parameters.as_is:
        write_scores(parameters, network)
        Console(parameters.quiet).say("\n".join([*describe_test(record), *CAVEATS]))
        return
    predict = ClassPredictor(network, record, slice(LENS, LENS + 1))
    results = measure_files(
        parameters, training_images, predict, HEADERS, flags=["bologna"], make_reader=BandReader
    )  # fmt: skip
    captions = [f"P(lens) = {one.values[0]:.3g}" for one in results.kept]
    caveats = [*describe_test(record), *CAVEATS]
    write_measurements(parameters, training_images, results, HEADERS, captions, caveats)
    refuse(results)


def describe_test(record: Mapping) -> list[str]:
    """Return lines on the test of a network, from its record: whether it tells lenses from other galaxies."""
    try:
        area, one_per_cent = record["metrics"]["auroc"], record["metrics"]["recall_at_rate"]["0.01"]
        line = f"On its simulated test images: AUROC {area['value']:.3f}"
        if area["low"] is not None:
            line += f" (95 %: {area['low']:.3f} to {area['high']:.3f})"
        if one_per_cent["value"] is not None:
            line += f"; at P(lens) > {one_per_cent['threshold']:.3g}, 1 % of non-lenses and {one_per_cent['value']:.0%}"
            line += " of lenses"
        is_learned = area["low"] is not None and area["low"] > 0.5
    except (KeyError, TypeError, ValueError):
        return ["Unknown whether the network has learned to find lenses: its file contains no test results."]
    return [f"{line}.", *([] if is_learned else ["NOT LEARNED: P(lens) is not informative."])]
