"""State of an interrupted training, saved in the folder of the network's file."""

import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stronglens.parameters import RunError
from stronglens.training.network_file import replace_file

FORMAT = 1


@dataclass
class TrainingState:
    """The data from which a training is resumed exactly.

    Attributes
    ----------
    settings : dict
        Settings that must not change when the training is resumed: flags by name, and digests of the data.
    epochs : int
        Number of finished epochs.
    history : dict of str to list of float, one value per epoch
    best_epoch : int
        Counted from 1; 0 before the first epoch.
    variables, optimizer, best : list of ndarray
        Variables of the network in training (with the random state of its dropout), variables of its optimizer, and
        weights of the best epoch.
    """

    settings: dict
    epochs: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    variables: list[np.ndarray] = field(default_factory=list)
    optimizer: list[np.ndarray] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)


def state_path(model_file: Path) -> Path:
    """Return the path of the state of an unfinished training: ``x.resume.npz`` for ``x.keras``."""
    return Path(model_file).with_suffix(".resume.npz")


def save_state(state: TrainingState, model_file: Path) -> None:
    """Write the state of a training to its path; see `state_path`.

    Raises
    ------
    RunError
        If the file cannot be written.
    """
    head = {
        "format": FORMAT,
        "settings": state.settings,
        "epochs": state.epochs,
        "history": state.history,
        "best_epoch": state.best_epoch,
    }
    arrays = {
        f"{kind}_{order:04d}": array
        for kind in ("variables", "optimizer", "best")
        for order, array in enumerate(getattr(state, kind))
    }

    def write(aside: Path) -> None:
        with open(aside, "wb") as file:
            np.savez(file, head=np.array(json.dumps(head)), **arrays)

    replace_file(state_path(model_file), write)


def load_state(model_file: Path, settings: dict) -> TrainingState | None:
    """Load the state of an interrupted training, if there is one.

    Parameters
    ----------
    model_file : Path
    settings : dict
        Settings of the training to resume.

    Returns
    -------
    TrainingState or None
        None if there is no interrupted training.

    Raises
    ------
    RunError
        If the file is damaged or belongs to a training with other settings; the message names these settings.
    """
    path = state_path(model_file)
    if not path.exists():
        return None
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            head = json.loads(str(archive["head"]))
            if head.pop("format") != FORMAT:
                raise ValueError("another format")
            state = TrainingState(**head)
            for kind in ("variables", "optimizer", "best"):
                names = sorted(name for name in archive.files if name.startswith(f"{kind}_"))
                setattr(state, kind, [archive[name] for name in names])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(
            f"{path}, the state of the interrupted training, is damaged: remove it, or train again without --resume"
        ) from error
    differing = [name for name in {**state.settings, **settings} if state.settings.get(name) != settings.get(name)]
    if differing:
        reasons = "; ".join(_explain(name, state.settings, settings) for name in differing)
        raise RunError(
            f"cannot resume the interrupted training: {reasons}. Use its settings, or train again without --resume"
        )
    return state


def remove_state(model_file: Path) -> None:
    """Remove the state of a finished training, if there is one."""
    state_path(model_file).unlink(missing_ok=True)


def digest_array(array: np.ndarray) -> str:
    """Return a digest of an array's type, shape and content: ``digest`` and 32 hexadecimal digits."""
    array = np.ascontiguousarray(array)
    digest = hashlib.blake2b(f"{array.dtype}{array.shape}".encode(), digest_size=16)
    digest.update(array.data if array.size else b"")
    return f"digest {digest.hexdigest()}"


def _explain(name: str, earlier: dict, now: dict) -> str:
    if any(str(values.get(name)).startswith("digest ") for values in (earlier, now)):
        return f"{name} differ"
    return f"{name} was {earlier.get(name)} and is now {now.get(name)}"
