"""Published weights in PyTorch's format, read without PyTorch."""

import collections
import io
import pickle
import zipfile

import numpy as np
import pytest

from stronglens.finding.network import OU66, build_network
from stronglens.finding.published import read_weights, set_published_weights
from stronglens.parameters import RunError
from stronglens.training import keras


class Name:
    """A name in a pickle that its writer does not have: torch.FloatStorage and torch._utils._rebuild_tensor_v2."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Tensor:
    def __init__(self, key, array):
        self.key, self.array = key, array


class Storage:
    def __init__(self, key, numel):
        self.key, self.numel = key, numel


class TorchPickler(pickle._Pickler):
    """Write names without importing them: the protocol's opcode GLOBAL is text."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_name(self, obj):
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())

    def save_tensor(self, obj):
        strides = tuple(stride // obj.array.itemsize for stride in obj.array.strides)
        self.save_name(Name("torch._utils", "_rebuild_tensor_v2"))
        self.save((Storage(obj.key, obj.array.size), 0, obj.array.shape, strides, False, collections.OrderedDict()))
        self.write(pickle.REDUCE)

    dispatch[Name], dispatch[Tensor] = save_name, save_tensor

    def persistent_id(self, obj):
        if isinstance(obj, Storage):
            return ("storage", Name("torch", "FloatStorage"), obj.key, "cpu", obj.numel)
        return None


def write_weights(path, tensors, extra=None):
    """Write a state dict as torch.save does."""
    table = collections.OrderedDict(
        (name, Tensor(str(key), array)) for key, (name, array) in enumerate(tensors.items())
    )
    stream = io.BytesIO()
    TorchPickler(stream, 2).dump(table if extra is None else extra)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", stream.getvalue())
        for key, array in enumerate(tensors.values()):
            archive.writestr(f"weights/data/{key}", array.tobytes())
        archive.writestr("weights/version", "3\n")


def draw_published(bands, seed=0):
    """Random weights of the network for 66 pixels, in PyTorch's order of axes, with small random biases."""
    random, tensors, channels = np.random.default_rng(seed), {}, bands
    for number, (filters, side, _) in enumerate(OU66):
        tensors[f"layer.{number}.weight"] = random.normal(0, 0.08, (filters, channels, side, side))
        tensors[f"layer.{number}.bias"] = random.normal(0, 0.1, filters)
        channels = filters
    for number, shape in enumerate([(500, 120), (2, 500)]):
        tensors[f"fc_layer.{number}.weight"] = random.normal(0, 0.08, shape)
        tensors[f"fc_layer.{number}.bias"] = random.normal(0, 0.1, shape[0])
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def forward(tensors, images):
    """Logits of images (N, C, H, W) from PyTorch's definition of the layers, in NumPy, channel first."""
    values = iter(np.float64(tensor) for tensor in tensors.values())
    x = np.float64(images)
    for _, side, pooling in OU66:
        kernel, bias = next(values), next(values)
        windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(2, 3))
        x = np.einsum("nchwij,ocij->nohw", windows, kernel, optimize=True) + bias[:, None, None]
        x = np.maximum(x, 0)
        if pooling == 2:
            rows, columns = (size // 2 * 2 for size in x.shape[2:])
            x = x[:, :, :rows, :columns].reshape(*x.shape[:2], rows // 2, 2, columns // 2, 2).max(axis=(3, 5))
    x = x.reshape(len(x), -1)
    x = np.maximum(x @ next(values).T + next(values), 0)
    return x @ next(values).T + next(values)


@pytest.mark.parametrize("bands", [("H",), ("VIS", "Y", "J", "H")])
def test_logits_are_those_of_the_published_network(tmp_path, bands):
    tensors = draw_published(len(bands))
    write_weights(tmp_path / "weights.pt", tensors)
    shape = (66, 66) if len(bands) == 1 else (66, 66, len(bands))
    network = build_network("ou66", shape, None)
    set_published_weights(network, tmp_path / "weights.pt", bands)
    images = np.random.default_rng(1).uniform(size=(2, 66, 66, len(bands))).astype(np.float32)
    logits = keras.Model(network.inputs, network.get_layer("logits").output)
    found = logits.predict(images.reshape(2, *shape), verbose=0)
    low, high = images.min(axis=(1, 2), keepdims=True), images.max(axis=(1, 2), keepdims=True)
    scaled = (images - low) / (high - low)
    order = [bands.index(band) for band in ("J", "Y", "H", "VIS") if band in bands]
    expected = forward(tensors, np.moveaxis(scaled[..., order], -1, 1))
    assert np.abs(expected).max() > 0.1  # not the zeros of a dead network
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_weights_of_another_network_are_refused(tmp_path):
    write_weights(tmp_path / "weights.pt", draw_published(3))
    network = build_network("ou66", (66, 66), None)
    with pytest.raises(RunError, match="weights of another network than ou66 for VIS"):
        set_published_weights(network, tmp_path / "weights.pt", ["VIS"])


def test_a_file_that_calls_anything_is_refused(tmp_path):
    write_weights(tmp_path / "weights.pt", {}, extra={"layer.0.weight": Name("os", "system")})
    with pytest.raises(RunError, match=r"refused: .*os.system, which is not allowed"):
        read_weights(tmp_path / "weights.pt")


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "weights.pt"
    with pytest.raises(RunError, match="cannot read"):
        read_weights(path)
    path.write_bytes(b"no zip")
    with pytest.raises(RunError, match="not a zip file"):
        read_weights(path)
    write_weights(path, {}, extra=[1, 2])
    with pytest.raises(RunError, match="no table of weights"):
        read_weights(path)
    tensors = draw_published(1)
    write_weights(path, tensors)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content[:-4] if name.endswith("data/0") else content)
    with pytest.raises(RunError, match="larger than its storage"):
        read_weights(path)
