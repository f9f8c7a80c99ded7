"""The state of an interrupted training: beside the network's file, whole or not at all."""

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
    """Hold all that a training needs to go on as if nothing had happened.

    Attributes
    ----------
    settings : dict
        What must be the same when it goes on: flags by name, and digests of the data.
    epochs : int
        Epochs done.
    history : dict of lists, one number an epoch
    best_epoch : int
        Counted from 1; 0 before the first.
    variables, optimizer, best : lists of ndarray
        Of the network in training (random state of its dropout included), of its optimizer, and the
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
    """Return where the state of an unfinished training is kept: ``x.resume.npz`` for ``x.keras``."""
    return Path(model_file).with_suffix(".resume.npz")


def save_state(state: TrainingState, model_file: Path) -> None:
    """Write the state of a training beside its network's file; see `load_state`."""
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
        Of the training that wants to go on.

    Returns
    -------
    TrainingState or None
        None where there is nothing to go on with.

    Raises
    ------
    RunError
        If the file is damaged, or was left by a training with other settings, which are named.
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
            f"{path}, the state of the interrupted training, is damaged: remove it, or train anew without --resume"
        ) from error
    differing = [name for name in {**state.settings, **settings} if state.settings.get(name) != settings.get(name)]
    if differing:
        reasons = "; ".join(_explain(name, state.settings, settings) for name in differing)
        raise RunError(
            f"cannot go on with the interrupted training: {reasons}. "
            "Repeat its settings, or train anew without --resume"
        )
    return state


def remove_state(model_file: Path) -> None:
    """Remove the state of a training that is finished, if there is one."""
    state_path(model_file).unlink(missing_ok=True)


def digest_array(array: np.ndarray) -> str:
    """Return a short digest of an array's type, shape and content."""
    array = np.ascontiguousarray(array)
    digest = hashlib.blake2b(f"{array.dtype}{array.shape}".encode(), digest_size=16)
    digest.update(array.data if array.size else b"")
    return f"digest {digest.hexdigest()}"


def _explain(name: str, earlier: dict, now: dict) -> str:
    if any(str(values.get(name)).startswith("digest ") for values in (earlier, now)):
        return f"{name} differ"
    return f"{name} was {earlier.get(name)} and is now {now.get(name)}"
