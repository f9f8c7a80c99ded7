"""The file of a network: what it keeps, and what is refused."""

import contextlib
import io
import json
import os
import pickle
import shutil
import zipfile

import h5py
import keras as plain_keras
import numpy as np
import pytest

from stronglens.parameters import RunError, UsageError
from stronglens.regression.network import build_network
from stronglens.scaling import ImageScaling, LabelScaling
from stronglens.training import load_network, save_network

RECORD = {"labels": [{"name": "src-redshift", "unit": None}], "pixel_scale": 0.1, "split": {"test": [1, 2]}}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    network = build_network((8, 8), ImageScaling(0.01, 1.0, 2.0), LabelScaling((1.0,), (0.5,)))
    path = tmp_path_factory.mktemp("good") / "network.keras"
    save_network(network, path, RECORD)
    return path


def rewrite(source, target, change):
    """Copy an archive with its members changed: a dict of name to bytes goes in, one comes out."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members = change(members)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def assert_refused(path, match):
    with pytest.raises(RunError, match=match) as caught:
        load_network(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_record_comes_back(good):
    assert load_network(good)[1] == RECORD


def test_numpy_numbers_can_be_kept(tmp_path, good):
    network, _ = load_network(good)
    save_network(network, tmp_path / "n.keras", {"mean": np.float32(0.5), "test": np.arange(3)})
    assert load_network(tmp_path / "n.keras")[1] == {"mean": 0.5, "test": [0, 1, 2]}


def test_folder_is_made_and_nothing_is_left_beside(tmp_path, good):
    network, _ = load_network(good)
    save_network(network, tmp_path / "a" / "b" / "n.keras", {})
    assert os.listdir(tmp_path / "a" / "b") == ["n.keras"]


def test_failed_write_keeps_the_file_that_was_there(tmp_path, good, monkeypatch):
    network, _ = load_network(good)
    path = tmp_path / "n.keras"
    save_network(network, path, RECORD)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(RunError, match=r"cannot write .*No space left on device"):
        save_network(network, path, {})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["n.keras"]


def test_name_needs_its_ending(tmp_path, good):
    with pytest.raises(UsageError, match=r"must end in \.keras"):
        save_network(load_network(good)[0], tmp_path / "n.h5", {})


def test_missing_file_is_said(tmp_path):
    assert_refused(tmp_path / "none.keras", "no trained network at")


def test_folder_is_no_network(tmp_path):
    assert_refused(tmp_path, "no trained network at")


@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps({"a": 1}), b"PK\x05\x06" + bytes(18)])
def test_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "n.keras"
    path.write_bytes(content)
    assert_refused(path, "is not a .keras file|has no stronglens.json")


@pytest.mark.parametrize("part", [0.01, 0.3, 0.9, 0.9999])
def test_truncated_file_is_refused(tmp_path, good, part):
    content = good.read_bytes()
    path = tmp_path / "n.keras"
    path.write_bytes(content[: int(part * len(content))])
    assert_refused(path, "damaged")


def test_flipped_bytes_never_give_another_network(tmp_path, good):
    content = bytearray(good.read_bytes())
    expected = load_network(good)[0].get_weights()
    path = tmp_path / "n.keras"
    for place in np.random.default_rng(0).integers(len(content), size=30):
        damaged = content.copy()
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        network = None
        with contextlib.suppress(RunError):
            network, _ = load_network(path)
        # Loaded all the same: a byte that means nothing, such as a date.
        if network is not None:
            assert all(np.array_equal(a, b) for a, b in zip(network.get_weights(), expected, strict=True))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_lambda_layer_is_refused(tmp_path):
    inputs = plain_keras.Input((8, 8))
    network = plain_keras.Model(inputs, plain_keras.layers.Lambda(lambda x: x)(inputs))
    path = tmp_path / "n.keras"
    save_network(network, path, RECORD)
    assert_refused(path, "'Lambda'|'__lambda__'")


def edit_config(members, edit):
    config = json.loads(members["config.json"])
    edit(config)
    return {**members, "config.json": json.dumps(config)}


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda c: c["config"]["layers"][3].update(module="os", class_name="system"), "'system'"),
        (lambda c: c["config"]["layers"][3].update(module="foreign.layers"), "module 'foreign.layers'"),
        (lambda c: c["config"]["layers"][3].update(module="kerasnot"), "module 'kerasnot'"),
        (lambda c: c["config"]["layers"][3].update(registered_name="mine>Reshape"), "'mine>Reshape'"),
        (lambda c: c["config"]["layers"][3].update(class_name=["Dense"]), "this program does not load"),
        (lambda c: c["config"]["layers"][3].update(class_name="TextVectorization"), "'TextVectorization'"),
        (lambda c: c.update(class_name="Dense"), "describes no network"),
        (lambda c: c["config"].update(layers=[]), "no usable network"),
        (lambda c: c["config"]["layers"][4]["config"].update(filters=7), "no usable network"),
    ],
)
def test_foreign_layer_is_refused(tmp_path, good, edit, match):
    assert_refused(rewrite(good, tmp_path / "n.keras", lambda members: edit_config(members, edit)), match)


@pytest.mark.parametrize("name", ["../../evil.py", "/etc/evil", "assets/vocabulary.txt", "extra.json"])
def test_member_that_does_not_belong_is_refused(tmp_path, good, name):
    path = rewrite(good, tmp_path / "n.keras", lambda members: {**members, name: b"x"})
    assert_refused(path, "and no other members")


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5", "stronglens.json"])
def test_member_that_lacks_is_missed(tmp_path, good, name):
    path = rewrite(good, tmp_path / "n.keras", lambda members: {k: v for k, v in members.items() if k != name})
    assert_refused(path, "and no other members|has no stronglens.json")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_member_given_twice_is_refused(tmp_path, good):
    path = tmp_path / "n.keras"
    shutil.copy(good, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    assert_refused(path, "once each")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 99}', "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass")]
)
@pytest.mark.parametrize("name", ["config.json", "stronglens.json"])
def test_broken_texts_are_refused(tmp_path, good, name, text):
    path = rewrite(good, tmp_path / "n.keras", lambda members: {**members, name: text})
    assert_refused(path, "refused|no usable network")


def edit_weights(members, edit):
    content = io.BytesIO(members["model.weights.h5"])
    with h5py.File(content, "r+") as file:
        edit(file)
    return {**members, "model.weights.h5": content.getvalue()}


def first_array(file):
    found = []
    file.visititems(lambda name, node: found.append(name) if isinstance(node, h5py.Dataset) else None)
    return found[0]


def link_out(file):
    name = first_array(file)
    del file[name]
    file[name] = h5py.ExternalLink("/etc/passwd", "/")


def read_out(file):
    name = first_array(file)
    shape = file[name].shape
    del file[name]
    file.create_dataset(name, shape, "f4", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])


def blow_up(file):
    name = first_array(file)
    del file[name]
    file.create_dataset(name, (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip")


def spoil(file):
    file[first_array(file)][...] = np.nan


@pytest.mark.parametrize(
    ("edit", "match"),
    [(link_out, "link"), (read_out, "plain arrays"), (blow_up, "plain arrays"), (spoil, "not all finite")],
)
def test_weights_that_are_not_plain_are_refused(tmp_path, good, edit, match):
    path = rewrite(good, tmp_path / "n.keras", lambda members: edit_weights(members, edit))
    assert_refused(path, match)


def test_weights_that_are_not_hdf5_are_refused(tmp_path, good):
    path = rewrite(good, tmp_path / "n.keras", lambda members: {**members, "model.weights.h5": b"no"})
    assert_refused(path, "cannot read|no usable network")


def test_plain_keras_file_is_not_ours(tmp_path, good):
    network, _ = load_network(good)
    network.save(tmp_path / "n.keras")
    assert_refused(tmp_path / "n.keras", "not a network trained by this program")


def test_plain_keras_opens_it(good):
    ours, _ = load_network(good)
    theirs = plain_keras.saving.load_model(good)
    images = np.random.default_rng(0).uniform(size=(3, 8, 8)).astype(np.float32)
    assert np.array_equal(ours.predict(images, verbose=0), theirs.predict(images, verbose=0))
