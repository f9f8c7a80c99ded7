"""Compress telescope images: their codes, and the error of what these restore."""

from collections.abc import Mapping

import numpy as np

from stronglens.execution import Console
from stronglens.generation.components import stretch
from stronglens.generation.compression import squared_errors
from stronglens.generation.generated import write_generated
from stronglens.generation.network import codes_of
from stronglens.generation.outputs import check_record, sampler_of, scaling_of
from stronglens.generation.sampler import Sampler
from stronglens.measuring import Prediction, measure_files, read_training_images, refuse, write_measurements

ERROR = "rms-error"
CAVEATS = (
    "rms-error is the root mean square difference between image and restored image, in the stretched units of the "
    "training set: an image unlike the training set has a large one.",
)


def measure(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Write the codes of files to ``measured.csv``, and a figure; or, with ``--sample``, a dataset of new images.

    Parameters
    ----------
    parameters : GenerationTraining
    network : keras.Model
    record : dict
        As saved with the network.
    rebuild, open_simulation
        Not used: codes have no model image.

    Raises
    ------
    RunError
        If the network was trained for another task, or a file cannot be used (after all others were written).
    UsageError
        If a flag has an invalid value, does not apply to this network, or names a file that does not exist.
    """
    if parameters.sample:
        _write_samples(parameters, network, record)
        return
    training_images = read_training_images(parameters, record, network)
    check_record(parameters, record, network)
    headers = [ERROR, *(f"code-{number + 1}" for number in range(record["latents"]))]
    results = measure_files(parameters, training_images, CodePredictor(network, record), headers)
    usual = record.get("metrics", {}).get("compression", {}).get("image", {}).get("network", {}).get("value")
    caveats = [*CAVEATS, *([f"That of the test images is {usual:.3g}."] if usual else [])]
    captions = [f"{ERROR} {one.values[0]:.3g}" for one in results.kept]
    write_measurements(parameters, training_images, results, headers, captions, caveats)
    refuse(results)


def _write_samples(parameters, network, record: Mapping) -> None:
    check_record(parameters, record, network)
    sampler = Sampler(sampler_of(parameters, record), record["latents"], parameters.model_file)
    write_generated(
        network, record, sampler, parameters.sample_dir, parameters.sample, parameters.seed, parameters.sample_format,
        Console(parameters.quiet), parameters.force,
    )  # fmt: skip


class CodePredictor:
    """Compute the codes of images and the error of what these restore.

    Parameters
    ----------
    network : keras.Model
    record : mapping
        As saved with the network.
    """

    def __init__(self, network, record: Mapping):
        self.scaling = scaling_of(record)
        self.encoder, self.decoder = network.get_layer("encoder"), network.get_layer("decoder")

    def __call__(self, images: np.ndarray) -> list[Prediction]:
        """Return the predictions for images (N, H, W), e-/s: the error, then the codes."""
        codes = codes_of(self.encoder.predict(images, verbose=0))
        restored = self.decoder.predict(codes, verbose=0)
        errors = np.sqrt(squared_errors(stretch(restored, self.scaling), stretch(images, self.scaling)))
        values = np.concatenate([errors[:, None], codes], axis=1)
        return [
            Prediction(one, problem=None if np.isfinite(one).all() else "the network returned NaN or infinity")
            for one in values
        ]
