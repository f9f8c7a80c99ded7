import numpy as np
import pytest

from stronglens.dataset import CHUNK_SIZE, DatasetWriter, load_dataset
from stronglens.dataset import image_set as module
from stronglens.parameters import Column, RunError

NUMBER = 5 * CHUNK_SIZE + 7
IMAGES = np.random.default_rng(0).random((NUMBER, 4, 6), np.float32)


@pytest.fixture(scope="module", params=["pickle", "zarr"])
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    manifest = {"number": NUMBER, "image-shape": [4, 6], "parameters": {"task": "regression", "format": request.param}}
    with DatasetWriter(folder, manifest) as writer:
        for chunk in writer.missing_chunks:
            rows = slice(chunk * CHUNK_SIZE, (chunk + 1) * CHUNK_SIZE)
            writer.store.write_chunk(chunk, IMAGES[rows], {"a": np.arange(NUMBER)[rows]}, {})
        writer.finish([Column("a", None, "a", "row").to_dict()], lambda values: {})
    return folder


@pytest.fixture(params=[True, False], ids=["memory", "disk"])
def images(request, folder):
    return load_dataset(folder, in_memory=request.param).images


@pytest.mark.parametrize(
    "rows",
    [3, -1, slice(None), slice(5, 400, 7), slice(0, 0), np.array([640, 0, 130, 0]), [5, 4], np.arange(NUMBER) % 3 == 0],
    ids=str,
)
def test_a_set_is_an_array(images, rows):
    assert len(images) == NUMBER
    assert images.shape == IMAGES.shape
    assert images.dtype == IMAGES.dtype
    assert images.nbytes == IMAGES.nbytes
    np.testing.assert_array_equal(images[rows], IMAGES[rows])
    if np.ndim(IMAGES[rows]) == 3:
        np.testing.assert_array_equal(images.subset(rows)[::-1], IMAGES[rows][::-1])


def test_digest_says_which_images_wherever_they_are(folder):
    loaded, stored = (load_dataset(folder, in_memory=where).images for where in (True, False))
    assert loaded.in_memory
    assert not stored.in_memory
    assert loaded.subset([1, 2]).digest == stored.subset([1, 2]).digest
    assert len({loaded.digest, loaded.subset([1, 2]).digest, loaded.subset([2, 1]).digest}) == 3


def test_what_is_read_ahead_is_not_read_again(folder, monkeypatch):
    images = load_dataset(folder, in_memory=False).images.subset(np.arange(NUMBER)[::-1])
    read = []
    original = module._Disk.read_chunk

    def read_chunk(self, chunk):
        if self is images._source:  # images of an earlier test may still be read ahead
            read.append(chunk)
        return original(self, chunk)

    monkeypatch.setattr(module._Disk, "read_chunk", read_chunk)
    images.prefetch(np.arange(0, 200))
    images.prefetch(np.arange(200, 300))
    for rows in ([0, 199], np.arange(190, 210), [299, 7]):
        np.testing.assert_array_equal(images[rows], IMAGES[::-1][rows])
    assert len(read) == len({(NUMBER - 1 - row) // CHUNK_SIZE for row in range(200)}) + len(
        {(NUMBER - 1 - row) // CHUNK_SIZE for row in range(200, 300)}
    )


def test_few_blocks_are_held(folder):
    images = load_dataset(folder, in_memory=False).images
    for start in range(0, NUMBER - 10, 10):
        images.prefetch(np.arange(start, start + 10))
    assert len(images._source._blocks) == module.BLOCKS_HELD
    np.testing.assert_array_equal(images[:5], IMAGES[:5])


def test_damage_is_noticed_when_it_is_read(folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "d")
    images = load_dataset(tmp_path / "d", in_memory=False).images
    for path in (tmp_path / "d").rglob("*"):
        if path.is_file() and (path.name == "000300.pickle" or path.parts[-3:] == ("2", "0", "0")):
            content = path.read_bytes()
            path.write_bytes(content[:-60] + bytes([content[-60] ^ 1]) + content[-59:])
    np.testing.assert_array_equal(images[:256], IMAGES[:256])
    with pytest.raises(RunError, match="damaged"):
        images[300]
    images.prefetch([299, 301])
    with pytest.raises(RunError, match="damaged"):
        images[[299, 301]]


def test_memory_decides(folder, monkeypatch):
    for free, loaded in ((3 * IMAGES.nbytes, True), (IMAGES.nbytes, False)):
        monkeypatch.setattr(module, "_free_memory", lambda free=free: free)
        assert load_dataset(folder).images.in_memory == loaded
    monkeypatch.undo()
    assert module._free_memory() > 0


def test_loading_says_how_far_it_is(folder):
    seen = []
    load_dataset(folder, advance=seen.append, in_memory=True)
    assert sum(seen) == NUMBER
