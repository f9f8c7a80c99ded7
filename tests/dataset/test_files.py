import os
import pickle

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stronglens.dataset import checksum, read_image, read_json, write_image, write_whole
from stronglens.parameters import RunError


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_image_survives_to_the_byte(tmp_path):
    image = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    path = tmp_path / "image.pickle"
    write_image(path, image)
    np.testing.assert_array_equal(read_image(path), image)
    assert checksum(read_image(path)) == checksum(image.tobytes()) != checksum(image[::-1].tobytes())
    with open(path, "rb") as file:  # what a user's own script does
        assert pickle.load(file).dtype == np.float32


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_pickled_by_others_are_read(tmp_path, protocol, order):
    array = np.asarray(np.arange(12.0).reshape(3, 4), order=order)
    path = tmp_path / "image.pickle"
    path.write_bytes(pickle.dumps(array, protocol=protocol))
    np.testing.assert_array_equal(read_image(path), array)


def test_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path):
    path, target = tmp_path / "evil.pickle", tmp_path / "made"
    path.write_bytes(pickle.dumps(Evil(target)))
    with pytest.raises(RunError, match="not allowed"):
        read_image(path)
    assert not target.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("root", [b"numpy._core", b"numpy.core"])  # of NumPy 2 and 1
def test_image_in_a_pickled_list_is_read(tmp_path, protocol, root):
    image, path = np.arange(12.0).reshape(3, 4), tmp_path / "image.pickle"
    content = pickle.dumps([image, np.float64(1e-23)], protocol=protocol)
    if protocol < 4:  # later ones write the length of a name before it
        content = content.replace(b"numpy._core", root)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_image(path), image)


# An index of 2^31 and 2^32 - 1 into the unpickler's memory: CPython 3.12 allocates twice as many pointers.
@pytest.mark.parametrize("content", [b"\x80\x04Nr\xff\xff\xff\x7f.", b"Np4294967295\n."])
def test_pickle_that_asks_for_memory_is_refused(tmp_path, content):
    path = tmp_path / "image.pickle"
    path.write_bytes(content)
    with pytest.raises(RunError, match="damaged"):
        read_image(path)


@pytest.mark.parametrize("content", [[1, 2], "text", {"a": 1}, None, np.array(["x"]), np.array([None]), 3.5])
def test_what_is_not_an_array_of_numbers_is_refused(tmp_path, content):
    path = tmp_path / "image.pickle"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(RunError, match=r"image\.pickle"):
        read_image(path)


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
@example(b"", 136, 197)  # the type's flags: NumPy would take its numbers for pointers
def test_damaged_pickles_raise_one_line(tmp_path_factory, noise, position, byte):
    path = tmp_path_factory.getbasetemp() / "damaged.pickle"
    good = bytearray(pickle.dumps(np.arange(64, dtype=np.float32), protocol=4))
    good[position % len(good)] = byte
    for content in (noise, bytes(good), bytes(good[: position % len(good)])):
        path.write_bytes(content)
        line = ""
        try:
            assert read_image(path).dtype.kind in "fiu"
        except RunError as error:
            line = str(error)
        assert "\n" not in line


def test_write_whole_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "labels.csv"
    write_whole(path, "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_damaged_json_is_refused(tmp_path, content):
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(RunError, match="is not a manifest"):
        read_json(path, "a manifest")
