"""Networks that come with the project, one for each of some presets (``stronglens/presets/NAME.keras``)."""

from dataclasses import replace
from pathlib import Path

from stronglens.execution import Console
from stronglens.network_archive import read_archive

MODELS = Path("models")
"""Where the presets keep the user's own networks."""


def choose_network(parameters, presets: Path, console: Console):
    """Return the parameters with the file of the network to apply, and say so if it is one that came with the project.

    The user's own network comes first. If there is none, and ``--model-file`` is that of the preset, the network that
    came with the preset is used. ``--explain-test`` needs one's own: it adds its results to the file.

    Parameters
    ----------
    parameters : Parameters
        Of a training.
    presets : Path
        Folder of the presets and their networks.
    console : Console

    Returns
    -------
    Parameters

    Raises
    ------
    RunError
        If the network that came with the project is damaged.
    """
    own, bundled = parameters.model_file, presets / f"{parameters.preset}.keras"
    is_needed = own == MODELS / bundled.name and not own.exists() and not getattr(parameters, "explain_test", 0)
    if not is_needed or not bundled.is_file():
        return parameters
    record, _ = read_archive(bundled)
    console.say(
        f"Network: the one that comes with the project for --preset={parameters.preset} (there is none in {own}), "
        f"trained at commit {record['commit']} on dataset {record['dataset']}, "
        f"{record['simulation']['generated-number']:,} images"
    )
    return replace(parameters, model_file=bundled)
