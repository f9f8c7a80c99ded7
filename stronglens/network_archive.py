"""Check the archive of a trained network and read its record, without importing Keras.

A network file may come from an untrusted source. Its members, layers and arrays are therefore compared with what this
package writes, before Keras reads the file.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from stronglens.parameters import RunError, StronglensError

RECORD = "stronglens.json"
FORMAT = 1
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MEMBERS = {CONFIG, METADATA, WEIGHTS, RECORD}
LARGEST_TEXT = 256_000_000  # maximum bytes of config.json or stronglens.json, which lists the split of the images
# Classes that only compute. Excluded are classes that contain code (Lambda) or read files (look-up layers read
# vocabularies). A network with another built-in layer adds its name here.
# fmt: off
ADMITTED = frozenset((
    "Functional", "InputLayer", "DTypePolicy", "__keras_tensor__",
    "Rescaling", "Normalization", "Arcsinh", "Sinh", "Reshape", "Permute", "Flatten", "Activation", "ReLU", "LeakyReLU",
    "PReLU", "ELU", "Softmax",
    "Conv1D", "Conv2D", "Conv2DTranspose", "SeparableConv2D", "DepthwiseConv2D", "Dense", "Dropout",
    "SpatialDropout2D",
    "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "UpSampling2D",
    "ZeroPadding2D",
    "BatchNormalization", "LayerNormalization", "GroupNormalization", "Add", "Subtract", "Multiply", "Average",
    "Concatenate",
    "GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal", "RandomNormal",
    "RandomUniform",
    "TruncatedNormal", "Zeros", "Ones", "Constant", "Orthogonal", "VarianceScaling", "L1", "L2", "L1L2",
    "Split", "Tril", "Exp", "Square", "Sum", "Matmul", "ExpandDims", "Squeeze", "__tensor__",
    "Min", "Max", "Divide", "TrueDivide",
    "Sqrt", "Absolute", "Maximum", "Median", "Stack", "GetItem", "__slice__", "Flip", "Cropping2D",
    "SeedGenerator",
))
# fmt: on
# BayesFlow's loader resolves some texts as names of Python's built-in objects or of its registered classes. A flow must
# therefore equal this one, and such texts must not occur elsewhere.
FLOW = {
    "subnet": "mlp",
    "depth": 6,
    "transform": "affine",
    "permutation": "random",
    "use_actnorm": True,
    # No dropout: its random state would make the training depend on more than the seed, and it blurs the posterior.
    "subnet_kwargs": {"widths": [128, 128], "activation": "silu", "dropout": None},
    "transform_kwargs": None,
}
BAYESFLOW = {"CouplingFlow": "bayesflow.networks", "DiagonalNormal": "bayesflow.distributions"}
OWN = "stronglens"
OWN_LAYERS = ("Reconstruction",)
"""Layers of this package, registered with Keras. A program must import them before it opens a network that has them."""
REGISTERED = (
    *(f"{module}>{name}" for name, module in BAYESFLOW.items()),
    *(f"{OWN}>{name}" for name in OWN_LAYERS),
)


def read_archive(path: str | Path) -> tuple[dict, bool]:
    """Check the file of a network and return its record.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    record : dict
    has_flow : bool
        Whether the network has layers of BayesFlow.

    Raises
    ------
    RunError
        If the file is missing, damaged, not a network of this package, or contains other than built-in layers and
        plain arrays.
    """
    path = Path(path)
    if not path.is_file():
        raise RunError(f"no trained network at {path}: train one first, or give another file with --model-file")
    try:
        return _check_archive(path)
    except StronglensError:
        raise
    except zipfile.BadZipFile as error:
        raise RunError(f"{path} is not a .keras file, or is damaged: train or copy it again") from error
    except (OSError, MemoryError) as error:
        raise RunError(f"cannot read {path}: {first_line(error)}") from error
    except Exception as error:
        # A damaged archive can raise exceptions of many types.
        raise RunError(f"{path} contains no usable network ({first_line(error)}): train again") from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _check_archive(path: Path) -> tuple[dict, bool]:
    # Returns the record, and whether the network has layers of BayesFlow.
    def refuse(reason: str) -> RunError:
        return RunError(f"{path} is refused: {reason}")

    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        names = [member.filename for member in members]
        if RECORD not in names:
            raise refuse(f"it has no {RECORD}, so it is not a network trained by this program")
        strange = sorted(set(names) - MEMBERS) or sorted(name for name in set(names) if names.count(name) > 1)
        if strange or set(names) != MEMBERS:
            raise refuse(f"it must contain {', '.join(sorted(MEMBERS))} once each, and no other members")
        size = {member.filename: member.file_size for member in members}
        if size[CONFIG] > LARGEST_TEXT or size[RECORD] > LARGEST_TEXT or size[METADATA] > LARGEST_TEXT:
            raise refuse("its text files are too long")
        if archive.getinfo(WEIGHTS).compress_type != zipfile.ZIP_STORED:
            raise refuse("its weights are compressed, which Keras never does")
        if archive.testzip() is not None:
            raise RunError(f"{path} is damaged (checksum of {archive.testzip()}): train or copy it again")
        has_flow = _check_config(json.loads(archive.read(CONFIG)), refuse)
        _check_weights(archive.read(WEIGHTS), refuse)
        record = json.loads(archive.read(RECORD))
    if not isinstance(record, dict) or record.pop("format", None) != FORMAT:
        raise refuse(f"its {RECORD} is not of format {FORMAT}: it comes from another version of this program")
    return record, has_flow


def _check_config(config: object, refuse: Callable[[str], RunError]) -> bool:
    # No recursion, since a malicious file may be nested deeper than Python's stack.
    if not isinstance(config, dict) or config.get("class_name") != "Functional":
        raise refuse("its config.json describes no network")
    waiting: list[object] = [config]
    has_flow = False
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, str) and (">" in node or node.startswith("__bayesflow")) and node not in REGISTERED:
            raise refuse(f"it needs {node!r:.60}, which is not a layer")
        elif isinstance(node, dict):
            waiting.extend(node.values())
            if "class_name" in node:
                name, module = node["class_name"], node.get("module")
                if isinstance(name, str) and name in BAYESFLOW and str(module).startswith(f"{BAYESFLOW[name]}."):
                    if node.get("registered_name") != f"{BAYESFLOW[name]}>{name}":
                        raise refuse(f"it has {node.get('registered_name')!r:.60}, which is not BayesFlow's {name}")
                    settings = node.get("config")
                    if name == "CouplingFlow" and not (
                        isinstance(settings, dict)
                        and all(key in settings and settings[key] == value for key, value in FLOW.items())
                    ):
                        raise refuse("its flow is not one of this program's")
                    has_flow = True
                    continue
                if isinstance(name, str) and node.get("registered_name") == f"{OWN}>{name}":
                    if not str(module).startswith(f"{OWN}.") or name not in OWN_LAYERS:
                        raise refuse(f"it has the layer {name!r:.60}, which this program does not have")
                    continue
                if not isinstance(name, str) or name not in ADMITTED:
                    raise refuse(f"it has the layer {name!r:.60}, which this program does not load")
                if module is not None and (not isinstance(module, str) or module.split(".")[0] != "keras"):
                    raise refuse(f"it needs the module {module!r:.60}; only Keras's own modules are loaded")
                if node.get("registered_name") not in (None, name):
                    raise refuse(f"it has {node['registered_name']!r:.60}, which is not built into Keras")
    return has_flow


def _check_weights(content: bytes, refuse: Callable[[str], RunError]) -> None:
    with h5py.File(io.BytesIO(content), "r") as file:
        waiting = [file]
        while waiting:
            group = waiting.pop()
            for name in group:
                # A link could point outside the file, or back to a parent group.
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise refuse("its weights contain a link")
                node = group[name]
                if isinstance(node, h5py.Group):
                    waiting.append(node)
                    if len(waiting) > len(content):
                        raise refuse("its weights contain a cycle")
                elif node.external or node.is_virtual or node.nbytes > len(content):
                    raise refuse("its weights are not plain arrays")
                elif not np.isfinite(node[()]).all():
                    raise refuse("its weights are not all finite")
