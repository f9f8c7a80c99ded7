"""Datasets of images with several bands."""

import json
from collections import Counter

import numpy as np
import pytest

from stronglens.dataset import CHUNK_SIZE, DatasetWriter, load_dataset, plan_conversion, remove_dataset
from stronglens.dataset.manifest import manifest_checksum
from stronglens.parameters import Column, RunError

NUMBER, BANDS = CHUNK_SIZE + 3, ["VIS", "Y", "J"]
IMAGES = np.random.default_rng(0).random((NUMBER, 4, 5, 3), np.float32)
COLUMNS = [Column("a", None, "a", "first").to_dict()]
BOTH = pytest.mark.parametrize("kept", ["pickle", "zarr"])


def write(folder, kept, chunks=(0, 1), **how):
    parameters = {"task": "finding", "format": kept}
    manifest = {"number": NUMBER, "image-shape": [4, 5, 3], "bands": BANDS, "parameters": parameters, "versions": {}}
    with DatasetWriter(folder, manifest, **how) as writer:
        for chunk in set(chunks) & set(writer.missing_chunks):
            rows = slice(chunk * CHUNK_SIZE, (chunk + 1) * CHUNK_SIZE)
            writer.store.write_chunk(chunk, IMAGES[rows], {"a": np.arange(NUMBER)[rows]}, Counter())
        if len(chunks) == 2:
            writer.finish(COLUMNS, lambda values: {})


def contents(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@BOTH
@pytest.mark.parametrize("in_memory", [True, False])
def test_what_is_written_is_loaded(tmp_path, kept, in_memory):
    write(tmp_path, kept)
    dataset = load_dataset(tmp_path, "finding", in_memory=in_memory)
    assert dataset.images.shape == IMAGES.shape
    np.testing.assert_array_equal(dataset.images[[130, 2]], IMAGES[[130, 2]])
    assert dataset.manifest["bands"] == BANDS


@BOTH
def test_a_resumed_dataset_is_the_uninterrupted_one_and_is_removed_whole(tmp_path, kept):
    write(tmp_path / "whole", kept)
    write(tmp_path / "resumed", kept, chunks=[1])
    write(tmp_path / "resumed", kept, resume=True)
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")
    remove_dataset(tmp_path / "whole")
    assert not contents(tmp_path / "whole")
    assert not any(path.is_dir() for path in (tmp_path / "whole").iterdir())


def test_conversion_keeps_the_images(tmp_path):
    write(tmp_path / "files", "pickle")
    plan = plan_conversion(tmp_path / "files", tmp_path / "array", "zarr")
    with DatasetWriter(tmp_path / "array", plan.manifest) as writer:
        for chunk in writer.missing_chunks:
            plan.work(writer.store)(chunk)
        writer.finish(plan.columns, lambda values: {})
    np.testing.assert_array_equal(load_dataset(tmp_path / "array").images[:], IMAGES)


def test_a_task_of_one_band_refuses_them(tmp_path):
    write(tmp_path, "zarr")
    with pytest.raises(RunError, match="was made for --task finding, not regression"):
        load_dataset(tmp_path, "regression")


@pytest.mark.parametrize("bands", [None, ["VIS"], 3])
def test_a_manifest_without_the_names_of_its_bands_is_damaged(tmp_path, bands):
    write(tmp_path, "zarr")
    manifest = json.loads((tmp_path / "manifest.json").read_text()) | {"bands": bands}
    manifest["checksums"]["manifest.json"] = manifest_checksum(manifest)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="damaged"):
        load_dataset(tmp_path)
