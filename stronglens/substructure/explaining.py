"""Outputs of substructure networks that are explained."""

from collections.abc import Mapping

from stronglens.explaining.outputs import Output
from stronglens.explaining.run import run_explanation
from stronglens.measuring import read_training_images
from stronglens.substructure import twins
from stronglens.substructure.outputs import read_classes
from stronglens.training import keras


def explain(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Explain the network (see `stronglens.explaining.run.run_explanation`)."""
    training_images = read_training_images(parameters, record, network)
    read_classes(parameters, record, network)
    outputs = explained_outputs(network, record)
    run_explanation(parameters, network, record, outputs, training_images, rebuild, open_simulation, twins)


def explained_outputs(network: keras.Model, record: Mapping) -> list[Output]:
    """Return the log-odds of each class: its logit less that of all others together."""
    logits = network.get_layer("logits").output
    outputs = []
    for place, name in enumerate(record["classes"]):
        others = keras.ops.concatenate([logits[:, :place], logits[:, place + 1 :]], axis=-1)
        together = keras.ops.logsumexp(others, axis=-1, keepdims=True)
        head = keras.Model(network.inputs[0], keras.ops.subtract(logits[:, place : place + 1], together))
        outputs.append(Output(name, head, f"away from {name}", f"towards {name}", f"log-odds of {name}", is_logit=True))
    return outputs
