"""Datasets with another array beside the images: the sources of the reconstruction task."""

import json
import pickle
from collections import Counter

import numpy as np
import pytest

from stronglens.dataset import CHUNK_SIZE, DatasetWriter, load_dataset, plan_conversion, remove_dataset
from stronglens.dataset.manifest import manifest_checksum
from stronglens.parameters import Column, RunError, UsageError

NUMBER = CHUNK_SIZE + 5
IMAGES, SOURCES = (np.random.default_rng(side).random((NUMBER, side, side), np.float32) for side in (4, 2))
COLUMNS = [Column("a", None, "a", "first").to_dict()]
BOTH = pytest.mark.parametrize("kept", ["pickle", "zarr"])


def manifest(kept="pickle", arrays=True, **changes):
    content = {
        "number": NUMBER,
        "image-shape": [4, 4],
        "parameters": {"task": "reconstruction" if arrays else "regression", "format": kept} | changes,
        "versions": {"numpy": "2"},
    }
    return content | ({"arrays": {"sources": [2, 2]}} if arrays else {})


def write(folder, kept="pickle", chunks=(0, 1), finish=True, arrays=True, **how):
    with DatasetWriter(folder, manifest(kept, arrays), **how) as writer:
        write_chunks(writer, set(chunks) & set(writer.missing_chunks), arrays)
        if finish:
            writer.finish(COLUMNS, lambda values: {})
    return writer


def write_chunks(writer, chunks, arrays=True):
    for chunk in chunks:
        rows = slice(chunk * CHUNK_SIZE, (chunk + 1) * CHUNK_SIZE)
        others = {"sources": SOURCES[rows]} if arrays else None
        writer.store.write_chunk(chunk, IMAGES[rows], {"a": np.arange(NUMBER)[rows]}, Counter(), others)


def contents(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def source_file(folder, kept, chunk=0):
    index = f"{chunk * CHUNK_SIZE:06d}"
    return folder / (f"sources/{index}.pickle" if kept == "pickle" else f"sources.zarr/c/{chunk}/0/0")


@BOTH
@pytest.mark.parametrize("in_memory", [True, False])
def test_what_is_written_is_loaded(tmp_path, kept, in_memory):
    write(tmp_path, kept)
    dataset = load_dataset(tmp_path, "reconstruction", in_memory=in_memory)
    assert list(dataset.others) == ["sources"]
    sources = dataset.others["sources"]
    assert sources.in_memory == in_memory
    assert sources.shape == SOURCES.shape
    np.testing.assert_array_equal(sources[[130, 2]], SOURCES[[130, 2]])
    np.testing.assert_array_equal(dataset.images[[130, 2]], IMAGES[[130, 2]])
    assert sources.digest != dataset.images.digest
    assert source_file(tmp_path, kept).exists()


@BOTH
@pytest.mark.parametrize("damage", ["nothing", "source", "no source", "no record"])
def test_resumed_dataset_is_the_uninterrupted_one(tmp_path, kept, damage):
    write(tmp_path / "whole", kept)
    folder = tmp_path / "resumed"
    write(folder, kept, chunks=[1], finish=False)
    if damage == "source":
        source_file(folder, kept, 1).write_bytes(b"half")
    elif damage == "no source":
        source_file(folder, kept, 1).unlink()
    elif damage == "no record":
        (folder / "progress" / "00001.json").unlink()
    writer = DatasetWriter(folder, manifest(kept), resume=True)
    assert writer.missing_chunks == ([0] if damage == "nothing" else [0, 1])
    with writer:
        write_chunks(writer, writer.missing_chunks)
        writer.finish(COLUMNS, lambda values: {})
    assert contents(folder) == contents(tmp_path / "whole")


def test_a_record_without_the_array_is_made_again(tmp_path):
    write(tmp_path, chunks=[0], finish=False)
    record = tmp_path / "progress" / "00000.json"
    record.write_text(
        json.dumps({key: value for key, value in json.loads(record.read_text()).items() if key != "checksums"})
    )
    assert DatasetWriter(tmp_path, manifest(), resume=True).missing_chunks == [0, 1]


@BOTH
@pytest.mark.parametrize("damage", ["truncated", "missing", "foreign", "another"])
def test_damaged_source_is_named(tmp_path, kept, damage):
    write(tmp_path, kept)
    path = source_file(tmp_path, kept)
    if damage == "missing":
        path.unlink()
    elif damage == "another":
        if kept == "pickle":
            path.write_bytes(pickle.dumps(SOURCES[1], protocol=4))
        else:
            path.write_bytes(source_file(tmp_path, kept, 1).read_bytes())
    else:
        path.write_bytes(path.read_bytes()[:-9] if damage == "truncated" else b"something else")
    with pytest.raises(
        RunError, match=r"sources/000000|sources\.zarr/c/0/0/0|sources 0 to 127 .* are damaged"
    ) as caught:
        load_dataset(tmp_path, in_memory=True)
    assert "\n" not in str(caught.value)
    on_disk = load_dataset(tmp_path, in_memory=False)  # read, and verified, on access
    np.testing.assert_array_equal(on_disk.images[:3], IMAGES[:3])
    with pytest.raises(RunError, match="sources"):
        on_disk.others["sources"][:3]
    with pytest.raises(RunError, match=r"1 of its 2 chunks are missing or damaged .*sources"):
        DatasetWriter(tmp_path, manifest(kept), resume=True)


@BOTH
def test_conversion_carries_the_array(tmp_path, kept):
    write(tmp_path / "origin", kept)
    other = "zarr" if kept == "pickle" else "pickle"
    plan = plan_conversion(tmp_path / "origin", tmp_path / "converted", other)
    with DatasetWriter(tmp_path / "converted", plan.manifest) as writer:
        convert = plan.work(writer.store)
        assert [convert(chunk) for chunk in writer.missing_chunks] == [CHUNK_SIZE, 5]
        writer.finish(plan.columns, lambda values: {})
    converted, origin = (load_dataset(tmp_path / name, in_memory=True) for name in ("converted", "origin"))
    np.testing.assert_array_equal(converted.others["sources"][:], SOURCES)
    assert converted.others["sources"].digest == origin.others["sources"].digest
    assert converted.manifest["format-version"] == 3
    assert source_file(tmp_path / "converted", other).exists()


def test_versions_of_the_format(tmp_path):
    write(tmp_path / "with")
    write(tmp_path / "without", arrays=False)
    with_array, without = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("with", "without"))
    assert with_array["format-version"] == 3
    assert with_array["arrays"] == {"sources": [2, 2]}
    assert len(with_array["checksums"]["sources"]) == 2
    assert without["format-version"] == 2
    assert set(without["checksums"]) == {"labels.csv", "images", "manifest.json"}
    assert "arrays" not in without
    assert load_dataset(tmp_path / "without").others == {}
    names = sorted(contents(tmp_path / "without"))
    assert names == [*(f"images/{index:06d}.pickle" for index in range(NUMBER)), "labels.csv", "manifest.json"]
    assert with_array.keys() - without.keys() == {"arrays"}


@BOTH
def test_a_dataset_of_another_task_leaves_no_sources_behind(tmp_path, kept):
    write(tmp_path, kept)
    with pytest.raises(
        UsageError, match=r"contains another dataset, complete .*task was reconstruction, now regression"
    ):
        write(tmp_path, kept, arrays=False)
    write(tmp_path, kept, arrays=False, force=True)
    assert not [name for name in contents(tmp_path) if name.startswith("sources")]
    assert load_dataset(tmp_path, "regression").others == {}
    write(tmp_path, "pickle" if kept == "zarr" else "zarr", force=True)
    np.testing.assert_array_equal(load_dataset(tmp_path).others["sources"][:], SOURCES)
    remove_dataset(tmp_path)
    assert not list(tmp_path.iterdir())


@BOTH
def test_force_does_not_touch_sources_that_are_not_ours(tmp_path, kept):
    write(tmp_path, kept, arrays=False)
    mine = source_file(tmp_path, kept)
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(UsageError, match=r"sources.*, which no manifest lists"):
        DatasetWriter(tmp_path, manifest(kept), force=True)
    write(tmp_path, kept, arrays=False, force=True)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    "arrays",
    [
        {"../evil": [2, 2]},
        {"a/b": [2, 2]},
        {"images": [2, 2]},
        {"labels.csv": [2, 2]},
        {"progress": [2, 2]},
        {"": [2, 2]},
        [2, 2],
        {"sources": [2]},
        {"sources": 4},
    ],
)
def test_foreign_names_of_arrays_are_refused(tmp_path, arrays):
    folder, outside = tmp_path / "dataset", tmp_path / "evil" / "000000.pickle"
    write(folder)
    outside.parent.mkdir()
    outside.write_text("mine")
    content = json.loads((folder / "manifest.json").read_text()) | {"arrays": arrays}
    content["checksums"]["manifest.json"] = manifest_checksum(content)
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"manifest\.json is damaged"):
        load_dataset(folder)
    remove_dataset(folder)
    assert outside.read_text() == "mine"
