import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stronglens.dataset import (
    CHUNK_SIZE,
    DatasetWriter,
    load_dataset,
    plan_conversion,
    remove_dataset,
)
from stronglens.dataset.manifest import manifest_checksum
from stronglens.parameters import Column, RunError, UsageError

NUMBER = CHUNK_SIZE + 5
COLUMNS = [Column("a", "arcsec", "a", "first").to_dict(), Column("b", None, "b", "second").to_dict()]


BOTH = pytest.mark.parametrize("kept", ["pickle", "zarr"])


def manifest(**changes):
    return {
        "number": NUMBER,
        "image-shape": [4, 4],
        "parameters": {"task": "regression", "format": "pickle", "seed": 0} | changes,
        "versions": {"numpy": "2"},
    }


def chunk_of(chunk):
    count = min(CHUNK_SIZE, NUMBER - chunk * CHUNK_SIZE)
    random = np.random.default_rng(chunk)
    columns = {"a": random.random(count), "b": np.arange(count) / 3}
    return random.random((count, 4, 4)).astype(np.float32), columns, Counter(rule=chunk + 1)


def write(folder, chunks=(0, 1), finish=True, kept="pickle", **how):
    with DatasetWriter(folder, manifest(format=kept), **how) as writer:
        for chunk in chunks:
            writer.store.write_chunk(chunk, *chunk_of(chunk))
        if finish:
            writer.finish(COLUMNS, lambda values: {"mean": float(values.mean())})
    return writer


def contents(folder):
    files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@BOTH
def test_what_is_written_is_loaded(tmp_path, kept):
    write(tmp_path, kept=kept)
    dataset = load_dataset(tmp_path, "regression")
    np.testing.assert_array_equal(dataset.images[:CHUNK_SIZE], chunk_of(0)[0])
    np.testing.assert_array_equal(dataset.column_values(["a"])[CHUNK_SIZE:, 0], chunk_of(1)[1]["a"])
    assert dataset.columns["a"].unit == "arcsec"
    assert dataset.manifest["rejected"] == {"rule": 3}
    assert dataset.manifest["columns"][1]["distribution"]["mean"] == pytest.approx(dataset.labels["b"].mean())
    images = {f"images/{index:06d}.pickle" for index in range(NUMBER)}
    if kept == "zarr":
        images = {"images.zarr/zarr.json", "images.zarr/c/0/0/0", "images.zarr/c/1/0/0"}
    assert set(contents(tmp_path)) == {"labels.csv", "manifest.json"} | images
    with pytest.raises(UsageError, match="no label 'c'; it has a, b"):
        dataset.column_values(["c"])


def test_labels_come_back_to_the_bit_as_the_docs_read_them(tmp_path, monkeypatch):
    # Default parser of pandas 3.0.6: 0.3 to 0.5 of random numbers differ in the last digit.
    [call] = re.findall(r"`pd\.(read_csv\(.*?\))`", (Path(__file__).parents[2] / "docs" / "files.md").read_text())
    write(tmp_path / "dataset")
    monkeypatch.chdir(tmp_path)
    written = np.concatenate([chunk_of(chunk)[1]["a"] for chunk in (0, 1)])
    np.testing.assert_array_equal(eval(f"pd.{call}", {"pd": pd})["a"], written)
    assert (pd.read_csv("dataset/labels.csv")["a"] != written).mean() > 0.1


@BOTH
@pytest.mark.parametrize("damage", ["nothing", "image", "record", "no record", "stray part"])
def test_resumed_dataset_is_the_uninterrupted_one(tmp_path, damage, kept):
    write(tmp_path / "whole", kept=kept)
    folder = tmp_path / "resumed"
    write(folder, chunks=[1], finish=False, kept=kept)
    if damage == "image":
        name = f"images/{CHUNK_SIZE:06d}.pickle" if kept == "pickle" else "images.zarr/c/1/0/0"
        (folder / name).write_bytes(b"half")
    elif damage == "record":
        (folder / "progress" / "00001.json").write_text('{"columns": {}, "checksums"')
    elif damage == "no record":
        (folder / "progress" / "00001.json").unlink()
    elif damage == "stray part":
        (folder / ".manifest.partial.json").write_text("{")
        if kept == "zarr":
            (folder / "images.zarr" / "c" / "1" / "0" / "0.abc.partial").write_text("half")
    writer = DatasetWriter(folder, manifest(format=kept), resume=True)
    assert writer.missing_chunks == ([0] if damage in ("nothing", "stray part") else [0, 1])
    with writer:
        for chunk in writer.missing_chunks:
            writer.store.write_chunk(chunk, *chunk_of(chunk))
        writer.finish(COLUMNS, lambda values: {"mean": float(values.mean())})
    assert contents(folder) == contents(tmp_path / "whole")


def test_resume_starts_in_an_absent_or_empty_folder_and_leaves_a_complete_one(tmp_path):
    write(tmp_path / "new", resume=True)
    before = contents(tmp_path / "new")
    writer = DatasetWriter(tmp_path / "new", manifest(), resume=True)
    assert writer.is_complete
    assert writer.missing_chunks == []
    assert contents(tmp_path / "new") == before


def test_resume_with_other_parameters_says_which(tmp_path):
    write(tmp_path, finish=False)
    with pytest.raises(RunError, match="seed was 0, now 1"):
        DatasetWriter(tmp_path, manifest(seed=1), resume=True)
    changed = manifest() | {"versions": {"numpy": "3"}}
    with pytest.raises(RunError, match="numpy was 2, now 3"):
        DatasetWriter(tmp_path, changed, resume=True)


def test_incomplete_dataset_says_so(tmp_path):
    write(tmp_path, chunks=[0], finish=False)
    assert json.loads((tmp_path / "manifest.json").read_text())["complete"] is False
    with pytest.raises(RunError, match=r"incomplete; finish it with generate_data\.py --resume"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    ("finish", "changes", "said", "not_said"),
    [
        (True, {}, r"already contains this dataset, complete .*: 133 images, task regression; --force", "--resume"),
        (False, {}, r"already contains this dataset, interrupted .*; --resume finishes it, --force starts", "another"),
        (
            True,
            {"seed": 1, "telescope": "hst"},
            # What only one of them has (telescope) comes after what differs.
            r"another dataset, complete .*: 133 images, .*; seed was 0, now 1; telescope was not given, now hst: "
            r"--dataset-dir=OTHER keeps it, --force replaces it$",
            "--resume",
        ),
        (False, {"seed": 1}, r"another dataset, interrupted .*; seed .*, --resume with", "already"),
    ],
)
def test_dataset_that_is_there_is_described(tmp_path, resume, finish, changes, said, not_said):
    write(tmp_path, finish=finish)
    if resume and not changes:
        assert DatasetWriter(tmp_path, manifest(), resume=True).is_complete == finish
        return
    with pytest.raises(RunError if resume else UsageError, match=said) as caught:
        DatasetWriter(tmp_path, manifest(**changes), resume=resume)
    assert not_said not in str(caught.value)


def test_number_of_images_of_another_dataset_is_told(tmp_path):
    write(tmp_path)
    described = manifest(**{"generated-number": 7}) | {"number": 7}
    with pytest.raises(UsageError, match=r": 133 images, .*; generated-number was not given, now 7: "):
        DatasetWriter(tmp_path, described)


def test_non_empty_folder_is_refused(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(UsageError, match="is not empty and contains no dataset: choose another"):
            DatasetWriter(tmp_path / "other", manifest(), resume=resume)


def test_hidden_files_do_not_make_a_folder_full(tmp_path):
    (tmp_path / ".gitkeep").touch()
    write(tmp_path)
    assert (tmp_path / ".gitkeep").exists()


@BOTH
def test_force_removes_all_that_is_ours(tmp_path, kept):
    write(tmp_path / "d", kept=kept)
    remove_dataset(tmp_path / "d")
    assert not list((tmp_path / "d").iterdir())
    write(tmp_path / "d", chunks=[0], finish=False, kept=kept)
    write(tmp_path / "d", force=True, kept="pickle" if kept == "zarr" else "zarr")
    assert (tmp_path / "d" / "images.zarr").exists() == (kept == "pickle")
    assert (tmp_path / "d" / "images").exists() == (kept == "zarr")


def test_force_does_not_overwrite_an_array_that_is_not_ours(tmp_path):
    write(tmp_path)
    (tmp_path / "images.zarr").mkdir()
    with pytest.raises(UsageError, match=r"images\.zarr, which no manifest lists"):
        DatasetWriter(tmp_path, manifest(format="zarr"), force=True)


def test_dataset_of_the_first_version_is_refused_and_replaced(tmp_path):
    write(tmp_path)
    old = json.loads((tmp_path / "manifest.json").read_text()) | {"format-version": 1}
    del old["parameters"]["format"]
    (tmp_path / "manifest.json").write_text(json.dumps(old))
    with pytest.raises(RunError, match="format version 1; this program reads versions 2 and 3"):
        load_dataset(tmp_path)
    write(tmp_path, force=True)
    load_dataset(tmp_path)


def test_force_removes_ours_and_nothing_else(tmp_path):
    write(tmp_path)
    mine = [tmp_path / "notes.txt", tmp_path / "images" / "mine.pickle", tmp_path / "images" / "999999.pickle"]
    for path in mine:
        path.write_text("mine")
    remove_dataset(tmp_path)
    assert sorted(contents(tmp_path)) == ["images/999999.pickle", "images/mine.pickle", "notes.txt"]


def test_force_refuses_to_write_over_what_is_not_ours(tmp_path):
    (tmp_path / "labels.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"labels\.csv, which no manifest lists"):
        DatasetWriter(tmp_path, manifest(), force=True)
    (tmp_path / "manifest.json").write_text('{"format": "else", "number": 3}')
    with pytest.raises(UsageError, match="which no manifest lists"):
        DatasetWriter(tmp_path, manifest(), force=True)
    assert (tmp_path / "labels.csv").read_text() == "mine"


def test_force_removes_nothing_before_the_start(tmp_path):
    write(tmp_path)
    before = contents(tmp_path)
    DatasetWriter(tmp_path, manifest(seed=7), force=True)
    assert contents(tmp_path) == before


def test_force_does_not_overwrite_an_image_that_is_not_ours(tmp_path):
    write(tmp_path)
    mine = tmp_path / "images" / f"{NUMBER:06d}.pickle"
    mine.write_text("mine")
    with pytest.raises(UsageError, match=mine.name):
        DatasetWriter(tmp_path, manifest() | {"number": NUMBER + 1}, force=True)


def test_force_replaces(tmp_path):
    write(tmp_path)
    write(tmp_path, force=True)
    assert load_dataset(tmp_path).images.shape == (NUMBER, 4, 4)


@pytest.mark.parametrize("name", ["labels.csv", "images/000003.pickle"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "foreign"])
def test_damaged_dataset_is_refused_by_file(tmp_path, name, damage):
    write(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[:-3])
    elif damage == "flipped":
        path.write_bytes(content[:30] + bytes([content[30] ^ 1]) + content[31:])
    elif damage == "foreign":
        path.write_bytes(b"something else")
    else:
        path.unlink()
    with pytest.raises(RunError, match=path.name) as caught:
        load_dataset(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "zip"}, "not the manifest"),
        ({"format-version": 99}, "format version 99"),
        ({"columns": 5}, "damaged"),
        ({"checksums": {}}, "damaged"),
        ({"number": 3}, "damaged"),
        ({"parameters": {"task": "finding"}}, "--task finding, not regression"),
        ({"parameters": None}, "--task None"),
    ],
)
@pytest.mark.parametrize("signed", [True, False])
def test_foreign_manifest_is_refused(tmp_path, change, message, signed):
    write(tmp_path)
    content = json.loads((tmp_path / "manifest.json").read_text()) | change
    if "checksums" not in change and signed:
        content["checksums"]["manifest.json"] = manifest_checksum(content)
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    in_header = "format" in change or "format-version" in change
    with pytest.raises(RunError, match=message if signed or in_header else "damaged or was edited"):
        load_dataset(tmp_path, "regression")


def test_second_writer_is_refused(tmp_path):
    second = DatasetWriter(tmp_path, manifest(), force=True)
    with (
        DatasetWriter(tmp_path, manifest()),
        pytest.raises(RunError, match="another process is writing"),
        second,
    ):
        pass
    assert (tmp_path / "manifest.json").exists()


def test_resume_notices_a_complete_dataset_that_lost_an_image(tmp_path):
    write(tmp_path)
    (tmp_path / "images" / "000007.pickle").unlink()
    with pytest.raises(RunError, match=r"1 of its 2 chunks are missing or damaged \(.*images/000007"):
        DatasetWriter(tmp_path, manifest(), resume=True)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "foreign", "another shard"])
def test_damaged_shard_is_refused(tmp_path, damage):
    write(tmp_path, kept="zarr")
    shard = tmp_path / "images.zarr" / "c" / "0" / "0" / "0"
    content = shard.read_bytes()
    if damage == "missing":
        shard.unlink()
    else:
        flipped = content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]
        other = (tmp_path / "images.zarr" / "c" / "1" / "0" / "0").read_bytes()
        changed = {"truncated": content[:-9], "flipped": flipped, "foreign": b"something else", "another shard": other}
        shard.write_bytes(changed[damage])
    with pytest.raises(RunError, match=r"c/0/0/0|images 0 to 127 .* are damaged") as caught:
        load_dataset(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("finish", [True, False])
@pytest.mark.parametrize("text", [None, "{bad"])
def test_resume_restores_the_description_of_intact_shards(tmp_path, text, finish):
    write(tmp_path, kept="zarr", finish=finish)
    before = contents(tmp_path)
    description = tmp_path / "images.zarr" / "zarr.json"
    description.unlink()
    if text is not None:
        description.write_text(text)
    writer = DatasetWriter(tmp_path, manifest(format="zarr"), resume=True)
    assert writer.missing_chunks == []
    assert contents(tmp_path) == before


@pytest.mark.parametrize("how", ["resume", "force"])
def test_dataset_that_another_process_finished_meanwhile_is_left_alone(tmp_path, how):
    write(tmp_path, chunks=[0], finish=False)
    late = DatasetWriter(tmp_path, manifest(), **{how: True})
    write(tmp_path, chunks=[1], resume=True)
    before = contents(tmp_path)
    with pytest.raises(RunError, match="another process has changed the dataset"), late:
        pass
    assert contents(tmp_path) == before


@pytest.mark.parametrize("text", ["", "{}", "[]"])
def test_damaged_array_is_refused(tmp_path, text):
    write(tmp_path, kept="zarr")
    (tmp_path / "images.zarr" / "zarr.json").write_text(text)
    with pytest.raises(RunError, match=r"images\.zarr is not a Zarr array"):
        load_dataset(tmp_path)


def test_other_readers_of_zarr_open_it(tmp_path):
    import dask.array

    write(tmp_path, kept="zarr")
    array = dask.array.from_zarr(tmp_path / "images.zarr")
    np.testing.assert_array_equal(array[:CHUNK_SIZE].compute(), chunk_of(0)[0])


def test_both_formats_have_the_same_checksums_and_labels(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b", kept="zarr")
    one, other = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in "ab")
    assert one["checksums"]["images"] == other["checksums"]["images"]
    assert one["columns"] == other["columns"]


@BOTH
def test_converted_dataset_is_the_one_written_so(tmp_path, kept):
    other = "zarr" if kept == "pickle" else "pickle"
    write(tmp_path / "origin", kept=kept)
    write(tmp_path / "wanted", kept=other)
    plan = plan_conversion(tmp_path / "origin", tmp_path / "converted", other)
    with DatasetWriter(tmp_path / "converted", plan.manifest) as writer:
        convert = plan.work(writer.store)
        assert [convert(chunk) for chunk in writer.missing_chunks] == [CHUNK_SIZE, 5]
        writer.finish(COLUMNS, lambda values: {"mean": float(values.mean())})
    assert contents(tmp_path / "converted") == contents(tmp_path / "wanted")
    with pytest.raises(UsageError, match=f"already has the format {kept}"):
        plan_conversion(tmp_path / "origin", tmp_path / "converted", kept)


def test_no_dataset(tmp_path):
    with pytest.raises(RunError, match=r"make one with generate_data\.py"):
        load_dataset(tmp_path)
