"""Outputs of finding networks that are explained."""

from collections.abc import Mapping

from stronglens.explaining.outputs import Output
from stronglens.explaining.run import run_explanation
from stronglens.finding import twins
from stronglens.finding.labels import LENS, NON_LENS
from stronglens.finding.outputs import check_record
from stronglens.finding.reading import BandReader
from stronglens.measuring import read_training_images
from stronglens.training import keras


def explain(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Explain the network (see `stronglens.explaining.run.run_explanation`)."""
    training_images = read_training_images(parameters, record, network)
    check_record(parameters, record, network)
    outputs = explained_outputs(network, record)
    run_explanation(
        parameters, network, record, outputs, training_images, rebuild, open_simulation, twins, make_reader=BandReader
    )


def explained_outputs(network: keras.Model, record: Mapping) -> list[Output]:
    """Return the logit of lens less that of non-lens; of a committee its mean over the members."""
    members = [layer for layer in network.layers if isinstance(layer, keras.Model)] or [network]
    heads = []
    for member in members:
        logits = member.get_layer("logits").output
        head = keras.ops.subtract(logits[:, LENS : LENS + 1], logits[:, NON_LENS : NON_LENS + 1])
        heads.append(keras.Model(member.inputs[0], head))
    title = "logit of lens less non-lens"
    return [Output("lens", tuple(heads), "away from a lens", "towards a lens", title, is_logit=True)]
