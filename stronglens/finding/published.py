"""Published weights of the networks ``ou66`` and ``ou200``: read PyTorch's files without PyTorch.

A file of weights (``torch.save`` of a state dict) is a zip archive with a pickle, which names the tensors, and one
member for the numbers of each. A pickle can run any code: nothing but ordered dicts and tensors is read from it.
"""

import collections
import io
import math
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stronglens.network_archive import first_line
from stronglens.parameters import RunError
from stronglens.training import keras

BANDS = ("J", "Y", "H", "VIS")
"""Order of the bands in the published networks."""
LARGEST_FILE = 2**28
"""Maximum size of the uncompressed members of a file, bytes; the published files have less than 2 MB."""


class _StorageType(NamedTuple):
    dtype: str


class _Storage(NamedTuple):
    numbers: NDArray[Any]


def _rebuild_tensor(storage: Any, offset: int, shape: Sequence[int], strides: Sequence[int], *_: Any) -> NDArray[Any]:
    if not isinstance(storage, _Storage) or len(shape) != len(strides):
        raise pickle.UnpicklingError("a tensor has no storage")
    if not all(isinstance(one, int) and one >= 0 for one in (offset, *shape, *strides)):
        raise pickle.UnpicklingError("the shape of a tensor is not valid")
    end = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) + 1
    if min(shape, default=1) < 1 or end > len(storage.numbers) or math.prod(shape) > len(storage.numbers):
        raise pickle.UnpicklingError("a tensor is larger than its storage")
    step = storage.numbers.itemsize
    view = np.lib.stride_tricks.as_strided(
        storage.numbers[offset:], shape, [stride * step for stride in strides], writeable=False
    )
    return view.astype(np.float32)


KNOWN = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): _StorageType("<f4"),
    ("torch", "DoubleStorage"): _StorageType("<f8"),
    ("torch", "HalfStorage"): _StorageType("<f2"),
}
"""All names that a pickle of weights may have. No other name is imported or called."""


class _WeightUnpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, folder: str):
        super().__init__(io.BytesIO(archive.read(f"{folder}data.pkl")))
        self._archive, self._folder = archive, folder

    def find_class(self, module, name):
        if (module, name) not in KNOWN:
            raise pickle.UnpicklingError(f"it needs {module}.{name}, which is not allowed")
        return KNOWN[module, name]

    def persistent_load(self, pid):
        match pid:
            case ("storage", _StorageType() as kind, str() as key, str(), int()) if key.isalnum():
                return _Storage(np.frombuffer(self._archive.read(f"{self._folder}data/{key}"), kind.dtype))
        raise pickle.UnpicklingError("it refers to other than the storage of a tensor")


def read_weights(path: str | Path) -> dict[str, NDArray[np.float32]]:
    """Read the tensors of a PyTorch file of weights. No code in the file is run.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of str to ndarray float32
        In the order of the file.

    Raises
    ------
    RunError
        If the file is missing, damaged, or contains other than ordered dicts of finite tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST_FILE:
                raise ValueError("it is too large")
            names = archive.namelist()
            (folder,) = (name.removesuffix("data.pkl") for name in names if name.split("/")[-1] == "data.pkl")
            if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
                raise ValueError("its numbers are not little-endian")
            found = _WeightUnpickler(archive, folder).load()
    except OSError as error:
        raise RunError(f"cannot read {path}: {first_line(error)}") from None
    except zipfile.BadZipFile:
        raise RunError(f"{path} is refused: it is not a zip file of PyTorch 1.6 or newer") from None
    except Exception as error:  # a damaged pickle raises exceptions of many types
        raise RunError(f"{path} is refused: it has no readable weights ({first_line(error)})") from None
    if type(found) not in (dict, collections.OrderedDict) or not found:
        raise RunError(f"{path} is refused: it has no table of weights")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, np.ndarray) or not np.isfinite(tensor).all():
            raise RunError(f"{path} is refused: {name!r:.60} is not a tensor of finite numbers")
    return dict(found)


def set_published_weights(network: keras.Model, path: str | Path, bands: Sequence[str]) -> None:
    """Give a network the weights of a published file.

    Parameters
    ----------
    network : keras.Model
        ``ou66`` or ``ou200`` of `network.build_network`, for images of these bands.
    path : str or Path
        File of a state dict: weight and bias of each layer, in their order.
    bands : sequence of B str
        Order of the bands in the images. The published order is J, Y, H, VIS.

    Raises
    ------
    RunError
        If the file cannot be read, or has the weights of another network.
    """
    layers = [layer for layer in network.layers if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))]
    tensors = list(read_weights(path).values())
    if len(tensors) != 2 * len(layers):
        raise RunError(f"{path} has {len(tensors)} tensors, {network.name} needs {2 * len(layers)}")
    channels = _channels(bands)
    for number, layer in enumerate(layers):
        kernel, bias = tensors[2 * number : 2 * number + 2]
        wanted = tuple(layer.kernel.shape)
        if isinstance(layer, keras.layers.Conv2D):
            if number == 0 and kernel.ndim == 4 and kernel.shape[1] == len(channels):
                kernel = kernel[:, channels]
            kernel = kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel
        elif layer.name == "features" and kernel.shape == wanted[::-1]:
            # Both flatten a grid (C, h, w) or (h, w, C) of features.
            height, width, filters = network.get_layer("flat").input.shape[1:]
            kernel = kernel.reshape(-1, filters, height, width).transpose(2, 3, 1, 0).reshape(wanted)
        else:
            kernel = kernel.T
        if kernel.shape != wanted or bias.shape != (wanted[-1],):
            raise RunError(
                f"{path} has the weights of another network than {network.name} for {', '.join(bands)}: "
                f"{kernel.shape} in place of {wanted} in {layer.name}"
            )
        layer.set_weights([kernel, bias])


def _channels(bands: Sequence[str]) -> list[int]:
    """Return, for each band, its place among these bands in the published order."""
    published = [band for band in BANDS if band in bands]
    return [published.index(band) for band in bands if band in published] if len(bands) > 1 else [0]
