"""Explain a trained network: maps of images, their test, ascents and kernels."""

from collections.abc import Callable, Mapping, Sequence

from stronglens.execution import Console
from stronglens.explaining.ascents import explain_ascent, explain_feature_maps, explain_kernels
from stronglens.explaining.images import ExplainedImage, noise_images, read_images
from stronglens.explaining.names import NOISE
from stronglens.explaining.outputs import Output
from stronglens.explaining.pages import explain_image
from stronglens.explaining.testing import test_outputs
from stronglens.measuring import ImageReader, TrainingImages
from stronglens.parameters import UsageError
from stronglens.training import keras, save_network


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
    if parameters.output is not None and parameters.output not in (known := [one.name for one in outputs]):
        raise UsageError(f"--output={parameters.output} must be one of {', '.join(known)}")
    if parameters.explain_test:
        tested = test_outputs(parameters, record, outputs, rebuild, open_simulation, twins, console)
        record = dict(record) | {"explained": dict(record.get("explained", {})) | tested}
        save_network(network, parameters.model_file, record)
    if not parameters.explain:
        return
    if NOISE in parameters.explain:
        images = noise_images(parameters, record)
    else:
        images = read_images(parameters, record, training_images, rebuild, open_simulation, twins, make_reader, console)
    scale = training_images.pixel_scale
    for one in images:
        for note in one.notes:
            console.say(f"  {one.name}: {note}")
        for output in _choose(parameters, outputs, one):
            if parameters.method in ("class-image", "deep-dream"):
                explain_ascent(parameters, output, one, scale, console)
            elif parameters.method == "kernels":
                explain_kernels(parameters, record, output, one, scale, console)
            elif parameters.method == "activations":
                explain_feature_maps(parameters, output, one, scale, console)
            else:
                explain_image(parameters, record, output, one, scale, twins.WORDS, console)


def _choose(parameters, outputs: Sequence[Output], one: ExplainedImage) -> list[Output]:
    """Return the outputs to explain: those that are named, the most probable class, or the first label."""
    if parameters.output is not None:
        return [output for output in outputs if output.name == parameters.output]
    if outputs[0].is_logit and len(outputs) > 1:
        return [max(outputs, key=lambda output: output.score(one.image[None])[0])]
    return list(outputs[:1])
