"""What a network says of telescope images, and what it is worth."""

from stronglens.measuring import Answer, measure_files, write_measurements


def measure(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Classify files with a trained network: a table, ``measured.csv`` and a figure.

    Parameters
    ----------
    parameters : TrainingParameters
    network : keras.Model
    record : dict, as saved with the network
    rebuild, open_simulation
        Of no use here: probabilities have no model image.

    Raises
    ------
    RunError
        When the network is of another task, or a file cannot be used (after all others were written).
    """
    measurements, refused = measure_files(
        parameters, network, record, lambda image: Answer(network.predict(image[None], verbose=0)[0])
    )
    classes = record["classes"]
    captions = [
        "\n".join(f"{name}: {value:.1%}" for name, value in zip(classes, measurement.values, strict=True))
        for measurement in measurements
    ]
    heads = [f"P({name})" for name in classes]
    write_measurements(parameters, record["pixel-scale"], measurements, refused, heads, captions, WORTH)


WORTH = (
    "Probabilities among the three classes, taken to be as common as they were in the training set.",
    "They mean nothing for a lens whose light, mass or noise is unlike those of the simulation.",
)
