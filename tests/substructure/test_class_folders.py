"""Conversion of class folders of .npy files, as in the public DeepLense datasets, to a dataset."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import wait_until

import params_and_cli as panel
from stronglens.dataset import (
    CHUNK_SIZE,
    DatasetWriter,
    load_dataset,
    plan_conversion,
    remove_dataset,
)
from stronglens.dataset.files import npy_shape, read_npy
from stronglens.execution import Console
from stronglens.parameters import RunError, StronglensError, UsageError
from stronglens.substructure import class_folders as module
from stronglens.substructure.class_folders import CLASS_COLUMN, CLASSES, find_classes, holds_class_folders
from stronglens.substructure.foreign import FolderConversion, folder_manifest
from stronglens.substructure.plan import plan_training

BOTH = pytest.mark.parametrize("kept", ["pickle", "zarr"])
NAMES = ("no", "sphere", "vort")
COUNTS = (60, 50, 40)  # more than a chunk together, and a chunk with two classes in it


def make_images(folder, names=NAMES, counts=COUNTS, shape=(8, 6), dtype="float32", seed=0):
    random = np.random.default_rng(seed)
    for name, count in zip(names, counts, strict=True):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            image = (200 * random.random(shape)).astype(dtype)
            np.save(folder / name / f"{index:03d}.npy", image)
    return folder


def make_few(folder, **how):
    return make_images(folder, counts=(3, 3, 3), **how)


def begin(origin, folder, kept="pickle", **how):
    found = find_classes(origin)
    writer = DatasetWriter(folder, folder_manifest(found, kept, {"numpy": "2"}), **how)
    return writer, FolderConversion(origin, found.checksum, writer.store)


def convert(origin, folder, kept="pickle", **how):
    writer, work = begin(origin, folder, kept, **how)
    with writer:
        for chunk in writer.missing_chunks:
            pickle.loads(pickle.dumps(work))(chunk)  # as a worker has it
        return writer.finish([CLASS_COLUMN.to_dict()], lambda values: {"mean": float(values.mean())})


def contents(folder):
    files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def one_line(call, kind=StronglensError):
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@BOTH
@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("float32", (8, 6)),
        ("float64", (1, 8, 6)),
        ("uint8", (8, 6, 1)),
        (">f4", (8, 6)),
        ("<f2", (1, 8, 6)),
        ("int16", (8, 6)),
    ],
)
def test_images_arrive_as_they_were_with_class_and_source(tmp_path, kept, dtype, shape):
    origin = make_images(tmp_path / "origin", dtype=dtype, shape=shape)
    manifest = convert(origin, tmp_path / "d", kept)
    dataset = load_dataset(tmp_path / "d", "substructure")
    assert dataset.images.shape == (sum(COUNTS), 8, 6)
    for image, source in zip(dataset.images[:], dataset.labels["source"], strict=True):
        np.testing.assert_array_equal(image, np.load(origin / source).reshape(8, 6).astype("float32"))
    assert dataset.labels["source"].tolist() == [
        f"{name}/{index:03d}.npy" for name, count in zip(NAMES, COUNTS, strict=True) for index in range(count)
    ]
    np.testing.assert_array_equal(dataset.column_values(["substructure"])[:, 0], np.repeat([0, 1, 2], COUNTS))
    assert manifest["classes"] == list(CLASSES) == ["no", "sphere", "vortex"]
    assert manifest["origin"]["images"] == {"no": 60, "sphere": 50, "vortex": 40}
    assert dataset.test_images is None


def test_fortran_order_does_not_transpose_images(tmp_path):
    origin = make_few(tmp_path / "origin")
    image = np.asfortranarray(np.arange(48.0).reshape(8, 6))
    np.save(origin / "no" / "001.npy", image)
    convert(origin, tmp_path / "d")
    np.testing.assert_array_equal(load_dataset(tmp_path / "d").images[1], image)


@pytest.mark.parametrize("shape", [(1, 5), (16, 16), (150, 150)])
def test_sizes(tmp_path, shape):
    convert(make_few(tmp_path / "origin", shape=shape), tmp_path / "d", "zarr")
    assert load_dataset(tmp_path / "d").images.shape == (9, *shape)


def test_the_network_record_of_a_converted_dataset(tmp_path):
    convert(make_few(tmp_path / "origin"), tmp_path / "d")
    record = load_dataset(tmp_path / "d").describe(["substructure"])
    assert record["classes"] == ["no", "sphere", "vortex"]
    assert record["image-unit"] == "as distributed"
    assert (record["telescope"], record["pixel-scale"], record["zero-point"]) == ("unknown", None, None)
    assert json.loads(json.dumps(record)) == record
    manifest = folder_manifest(find_classes(tmp_path / "origin"), "zarr", {}, pixel_scale=0.05)
    assert manifest["telescope"]["pixel-scale"] == 0.05


@pytest.mark.parametrize("second", ["val", "valid", "validation", "test", "Val"])
def test_second_part_becomes_the_test_set(tmp_path, second):
    make_images(tmp_path / "origin" / "train")
    make_images(tmp_path / "origin" / second, counts=(4, 3, 2), seed=1)
    convert(tmp_path / "origin", tmp_path / "d")
    dataset = load_dataset(tmp_path / "d")
    np.testing.assert_array_equal(dataset.test_images, np.arange(150, 159))
    assert set(dataset.labels["source"].iloc[:150].str.split("/").str[0]) == {"train"}
    assert dataset.labels["source"].iloc[150] == f"{second}/no/000.npy"
    np.testing.assert_array_equal(dataset.labels["substructure"].iloc[150:], np.repeat([0, 1, 2], (4, 3, 2)))


def test_train_alone_has_no_test_set(tmp_path):
    make_few(tmp_path / "train")
    assert find_classes(tmp_path).test is None


@pytest.mark.parametrize(
    "names", [("no_sub", "cdm", "axion"), ("nosub", "sphere", "vortex"), ("No-Sub", "CDM", "Vort")], ids=str
)
def test_names_in_use(tmp_path, names):
    found = find_classes(make_few(tmp_path, names=names))
    assert found.classes.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found.names[3] == f"{names[1]}/000.npy"
    assert holds_class_folders(tmp_path)


def test_order_is_by_name_independent_of_the_file_system(tmp_path, monkeypatch):
    make_images(tmp_path)
    before = find_classes(tmp_path)
    scan = os.scandir

    class Reversed:
        def __init__(self, folder):
            self.entries = list(scan(folder))[::-1]

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *exception):
            pass

    monkeypatch.setattr(module.os, "scandir", Reversed)
    after = find_classes(tmp_path)
    assert after.names == before.names == tuple(sorted(before.names))
    assert after.checksum == before.checksum


def test_files_that_are_not_images_are_ignored_and_named(tmp_path):
    make_few(tmp_path)
    for name in (".DS_Store", "no/._000.npy", "no/.hidden", "README.md"):
        (tmp_path / name).write_text("x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "no" / "list.txt").write_text("x")
    np.save(tmp_path / "loose.npy", np.ones((8, 6)))
    (tmp_path / "vort" / "000.npy").rename(tmp_path / "vort" / "000.NPY")
    found = find_classes(tmp_path)
    assert len(found.names) == 9
    assert found.ignored == ("loose.npy", "no/list.txt")


def without(name):
    return lambda folder: [path.unlink() for path in (folder / name).iterdir()] and (folder / name).rmdir()


def emptied(name):
    return lambda folder: [path.unlink() for path in (folder / name).iterdir()]


def renamed(name, other):
    return lambda folder: (folder / name).rename(folder / other)


def added(name):
    return lambda folder: (folder / name).mkdir(parents=True)


def linked(name, to):
    return lambda folder: (folder / name).symlink_to(to)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("vort"), r"contains no/, sphere/, but no folder of the class vortex \(vort, vortex, axion\)"),
        (emptied("sphere"), r"sphere contains no \.npy files$"),
        (
            lambda folder: [*emptied("no")(folder), (folder / "no" / "a.png").touch()],
            r"no \.npy files \(1 other files\)",
        ),
        (renamed("sphere", "spere"), r"spere is a folder with an unknown name; did you mean sphere/\?"),
        (added("vortices"), r"vortices is a folder with an unknown name; did you mean vortex/\?"),
        (
            added("models"),
            "models is a folder with an unknown name; possible names are no, nosub, .* remove other folders",
        ),
        (added("cdm"), "contains cdm/, sphere/, which are the same class"),
        (added("no/more"), r"no contains more/, but may contain \.npy files only"),
        (added("train"), "contains both class folders .* and folders of these"),
        (linked("no/here", ".."), r"no contains here/, but may contain \.npy files only"),
        (linked("no/loop.npy", "loop.npy"), r"cannot read .*loop\.npy: Too many levels"),
        (linked("no/lost.npy", "nowhere"), r"lost\.npy' cannot be read"),
        (lambda folder: os.mkfifo(folder / "no" / "pipe.npy"), r"pipe\.npy' cannot be read"),
        (lambda folder: (folder / "no" / "a\nb.npy").touch(), "has a name that is not plain text"),
        (lambda folder: Path(os.fsdecode(bytes(folder / "no") + b"/\xff.npy")).touch(), "not plain text"),
        (
            lambda folder: [*emptied("vort")(folder), (folder / "vort").rmdir(), linked("vort", "no")(folder)],
            "are the same folder",
        ),
    ],
)
def test_unclear_folders_are_refused(tmp_path, change, said):
    make_few(tmp_path)
    change(tmp_path)
    assert re.search(said, one_line(lambda: find_classes(tmp_path), UsageError))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("val/no"), r"val contains sphere/, vort/, but no folder of the class no \("),
        (renamed("val/no", "val/nosubs"), "val/nosubs is a folder with an unknown name; did you mean nosub/"),
        (renamed("val", "vall"), r"vall is a folder with an unknown name; did you mean val/\?"),
        (renamed("train", "test"), "contains test/, val/, but not exactly one train/"),
        (added("test"), r"contains test/, val/, but there can be one test set only"),
        (added("Train"), "contains Train/, train/, but not exactly one train/"),
        (added("no"), "contains both class folders"),
        (lambda folder: [renamed("val", ".old")(folder), linked("val", "train")(folder)], "are the same folder"),
    ],
)
def test_unclear_parts_are_refused(tmp_path, change, said):
    make_few(tmp_path / "train")
    make_few(tmp_path / "val")
    change(tmp_path)
    assert re.search(said, one_line(lambda: find_classes(tmp_path), UsageError))


def test_no_class_at_all(tmp_path):
    assert "it contains no folder" in one_line(lambda: find_classes(tmp_path), UsageError)
    assert not holds_class_folders(tmp_path)
    (tmp_path / "spere").mkdir()
    (tmp_path / "plots").mkdir()
    line = one_line(lambda: find_classes(tmp_path), UsageError)
    assert "but plots/, spere/ (did you mean sphere/?); possible names are no, nosub" in line
    for bad in (tmp_path / "absent", make_few(tmp_path / "few") / "no" / "000.npy"):
        assert f"cannot read {bad}" in one_line(partial(find_classes, bad), UsageError)
        assert not holds_class_folders(bad)


def test_unreadable_folder(tmp_path, monkeypatch):
    make_few(tmp_path)

    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(module.os, "scandir", refuse)
    assert one_line(lambda: find_classes(tmp_path), UsageError) == f"cannot read {tmp_path}: Permission denied"


def objects(shape, items):
    array = np.empty(shape, object)
    for position, item in enumerate(items):
        array.flat[position] = item
    return array


IMAGE, MASS = np.arange(48.0).reshape(8, 6), np.float64(1e-23)

LAYOUTS = {
    # What DeepLenseSim's sim_axion.py saves: np.array([lens.image_real, axion_masses[i]]).
    "image and mass": objects((2,), [IMAGE, MASS]),
    "number of Python": objects((2,), [IMAGE, 1e-23]),
    "a row": objects((1, 2), [IMAGE, MASS]),
    "a column": objects((2, 1), [IMAGE, MASS]),
    "mass first": objects((2,), [MASS, IMAGE]),
    "mass in an array": objects((2,), [IMAGE, np.array([1e-23])]),
    "channel": objects((2,), [IMAGE[None], MASS]),
    "Fortran order": objects((2,), [np.asfortranarray(IMAGE), MASS]),
    "big-endian": objects((2,), [IMAGE.astype(">f4"), MASS]),
    "image alone": objects((), [IMAGE]),
    "list": objects((), [[IMAGE, MASS]]),
    "tuple": objects((), [(IMAGE, MASS)]),
    "dict": objects((), [{"image": IMAGE, "mass": MASS}]),
    "pixels as objects": IMAGE.astype(object),
    "pixels as objects, Fortran order": np.asfortranarray(IMAGE.astype(object)),
}


def write_objects(path, array, numpy):
    """Write a file like np.save of NumPy 1 (protocol 3, numpy.core) or 2 (protocol 4, numpy._core)."""
    np.save(path, array, allow_pickle=True)
    if numpy == 1:
        with open(path, "wb") as file:
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
            file.write(pickle.dumps(array, protocol=3).replace(b"numpy._core", b"numpy.core"))


@pytest.mark.parametrize("numpy", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_with_an_image_and_a_mass_are_read(tmp_path, layout, numpy, monkeypatch):
    origin = make_few(tmp_path / "origin")
    path = origin / "vort" / "001.npy"
    write_objects(path, LAYOUTS[layout], numpy)
    before = contents(origin)
    # NumPy's own reading of it would unpickle.
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("np.load"))
    convert(origin, tmp_path / "d")
    row = find_classes(origin).names.index("vort/001.npy")
    np.testing.assert_array_equal(load_dataset(tmp_path / "d").images[row : row + 1][0], IMAGE.astype("float32"))
    assert contents(origin) == before


NO_LAYOUTS = {
    "two images": (objects((2,), [IMAGE, IMAGE]), r"\(2,\) \(an array of shape \(8, 6\), an array of shape \(8, 6\)\)"),
    "positions beside": (objects((2,), [IMAGE, np.ones(3)]), r"an array of shape \(8, 6\), an array of shape \(3,\)"),
    "text beside": (objects((2,), [IMAGE, "axion"]), r"an array of shape \(8, 6\), str"),
    "no image": (objects((2,), [None, 1.0]), r"NoneType, float"),
    "too deep": (objects((), [[[[IMAGE]]]]), r"\(a list \(a list \(a list\)\)\)"),
    "many": (objects((40,), [IMAGE] * 40), "40 items"),
    "records": (np.array([(IMAGE, 1.0)], dtype=[("image", "O"), ("mass", "f8")]), "records of objects"),
    "image of booleans": (objects((2,), [IMAGE > 0, MASS]), "does not contain real numbers"),
    "complex image": (objects((2,), [IMAGE + 1j, MASS]), "does not contain real numbers"),
    "beyond all numbers": (objects((2,), [10**400, 3]), "does not contain real numbers"),
    "masked array": (objects((), [np.ma.masked_array(IMAGE)]), "needs numpy.ma.core._mareconstruct, which is not"),
    "code": (objects((2,), [IMAGE, os.mkdir]), "needs posix.mkdir, which is not allowed"),
}


@pytest.mark.parametrize("layout", NO_LAYOUTS)
def test_other_objects_are_refused(tmp_path, layout):
    array, said = NO_LAYOUTS[layout]
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    for read in (read_npy, npy_shape):
        line = one_line(partial(read, tmp_path / "a.npy"), RunError)
        assert str(tmp_path / "a.npy") in line
        assert re.search(said, line)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def save(array, **how):
    return lambda path: np.save(path, array, **how)


def two_images(path):
    np.save(path, [objects((2,), [np.ones((8, 6)), np.ones((8, 6))])], allow_pickle=True)


def too_large(path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (8, 99999999999), }\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)


BAD = {
    "objects": (two_images, r"contains an object array of shape \(1, 2\) \(an array of shape \(8, 6\), an array"),
    "evil": (save(np.array([Evil()], dtype=object), allow_pickle=True), r"needs posix\.mkdir, which is not"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(Evil())), r"is not a readable \.npy file"),
    "other shape": (save(np.ones((6, 8))), r"has the shape \(6, 8\), other images \(8, 6\)"),
    "colour": (save(np.ones((8, 6, 3))), r"has the shape \(8, 6, 3\)"),
    "flat": (save(np.ones(48)), "has the shape"),
    "scalar": (save(np.float32(1)), "has the shape"),
    "no pixels": (save(np.ones((0, 6))), "contains no numbers"),
    "nan": (save(np.full((8, 6), np.nan)), "not finite"),
    "infinite in float32": (save(np.full((8, 6), 1e300)), "not finite in float32"),
    "text": (save(np.full((8, 6), "x")), "does not contain real numbers"),
    "complex": (save(np.ones((8, 6), complex)), "does not contain real numbers"),
    "booleans": (save(np.ones((8, 6), bool)), "does not contain real numbers"),
    "record": (save(np.ones((8, 6), [("a", "f4")])), "does not contain real numbers"),
    "huge": (too_large, r"is truncated|has shape"),
    "empty": (lambda path: path.write_bytes(b""), r"is not a readable \.npy file"),
    "archive": (lambda path: path.write_bytes(b"PK\x03\x04 something"), r"is not a readable \.npy file"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-5]), "is truncated: it has 187 of the 192 bytes"),
    "header cut": (lambda path: path.write_bytes(path.read_bytes()[:20]), r"is not a readable \.npy file"),
    "version 3": (lambda path: path.write_bytes(b"\x93NUMPY\x03" + path.read_bytes()[7:]), r"version 3"),
    "absent": (lambda path: path.unlink(), "cannot read"),
}


@pytest.mark.parametrize("which", BAD)
def test_bad_image_is_named(tmp_path, which, monkeypatch):
    monkeypatch.chdir(tmp_path)
    damage, said = BAD[which]
    origin = make_few(tmp_path / "origin")
    writer, work = begin(origin, tmp_path / "d")
    found = find_classes(origin)
    monkeypatch.setattr("stronglens.substructure.foreign._find_again", lambda *_: found)
    damage(origin / "vort" / "001.npy")
    with writer:
        line = one_line(lambda: work(0), RunError)
    assert str(origin / "vort" / "001.npy") in line
    assert re.search(said, line)
    assert not (tmp_path / "made-by-a-pickle").exists()
    assert not list((tmp_path / "d" / "progress").iterdir())


@pytest.mark.parametrize("which", ["objects", "colour", "flat", "empty", "huge", "no pixels"])
def test_bad_first_image_is_named(tmp_path, which):
    origin = make_few(tmp_path)
    BAD[which][0](origin / "no" / "000.npy")
    assert "000.npy" in one_line(lambda: folder_manifest(find_classes(origin), "pickle", {}), RunError)


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_damaged_files_raise_one_line(tmp_path_factory, noise, position, byte):
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    np.save(path, np.arange(48, dtype="float32").reshape(8, 6))
    good = bytearray(path.read_bytes())
    good[position % len(good)] = byte
    for content in (noise, bytes(good), bytes(good[: position % len(good)])):
        path.write_bytes(content)
        line = ""
        try:
            assert read_npy(path).dtype.kind in "fiu"
        except RunError as error:
            line = str(error)
        assert "\n" not in line


def test_files_that_changed_during_the_conversion_are_refused(tmp_path):
    origin = make_few(tmp_path / "origin")
    writer, work = begin(origin, tmp_path / "d")
    np.save(origin / "no" / "extra.npy", np.ones((8, 6)))
    with writer:
        assert "changed during the conversion" in one_line(lambda: work(0), RunError)
    assert "files-checksum was" in one_line(lambda: begin(origin, tmp_path / "d", resume=True), RunError)


@BOTH
@pytest.mark.parametrize("damage", ["nothing", "image", "record", "sources"])
def test_resumed_conversion_is_the_uninterrupted_one(tmp_path, kept, damage):
    origin = make_images(tmp_path / "origin")
    convert(origin, tmp_path / "whole", kept)
    writer, work = begin(origin, tmp_path / "resumed", kept)
    with writer:
        work(1)
    record = tmp_path / "resumed" / "progress" / "00001.json"
    if damage == "image":
        name = f"images/{CHUNK_SIZE:06d}.pickle" if kept == "pickle" else "images.zarr/c/1/0/0"
        (tmp_path / "resumed" / name).write_bytes(b"half")
    elif damage == "record":
        record.write_text('{"columns": {')
    elif damage == "sources":
        record.write_text(json.dumps(json.loads(record.read_text()) | {"sources": ["no/000.npy"]}))
    writer, _ = begin(origin, tmp_path / "resumed", kept, resume=True)
    assert writer.missing_chunks == ([0] if damage == "nothing" else [0, 1])
    convert(origin, tmp_path / "resumed", kept, resume=True)
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")
    assert begin(origin, tmp_path / "resumed", kept, resume=True)[0].is_complete


def test_killed_conversion_is_finished(tmp_path):
    origin = make_images(tmp_path / "origin", counts=(150, 150, 150), shape=(3, 3))
    convert(origin, tmp_path / "whole")
    script = (
        "import sys, time; sys.path[:0] = ['tests', 'tests/substructure']\n"
        "import test_class_folders as here; from pathlib import Path\n"
        f"writer, work = here.begin(Path({str(origin)!r}), Path({str(tmp_path / 'd')!r}))\n"
        "with writer:\n    work(2); time.sleep(3600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2])
    try:
        wait_until(lambda: list((tmp_path / "d" / "progress").glob("0*.json")), process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    writer, _ = begin(origin, tmp_path / "d", resume=True)
    assert writer.missing_chunks == [0, 1, 3]
    convert(origin, tmp_path / "d", resume=True)
    assert contents(tmp_path / "d") == contents(tmp_path / "whole")


@BOTH
def test_force_and_removal_leave_nothing(tmp_path, kept):
    origin = make_few(tmp_path / "origin")
    convert(origin, tmp_path / "d", kept)
    convert(origin, tmp_path / "d", "zarr" if kept == "pickle" else "pickle", force=True)
    remove_dataset(tmp_path / "d")
    assert contents(tmp_path / "d") == {}
    assert len(contents(origin)) == 9


@BOTH
def test_from_one_format_to_the_other_sources_stay(tmp_path, kept):
    other = "zarr" if kept == "pickle" else "pickle"
    make_images(tmp_path / "origin" / "train")
    make_few(tmp_path / "origin" / "val")
    convert(tmp_path / "origin", tmp_path / "one", kept)
    convert(tmp_path / "origin", tmp_path / "wanted", other)
    plan = plan_conversion(tmp_path / "one", tmp_path / "other", other)
    with DatasetWriter(tmp_path / "other", plan.manifest) as writer:
        work = plan.work(writer.store)
        for chunk in writer.missing_chunks:
            work(chunk)
        writer.finish([CLASS_COLUMN.to_dict()], lambda values: {"mean": float(values.mean())})
    assert contents(tmp_path / "other") == contents(tmp_path / "wanted")


def test_names_that_look_like_numbers_or_need_quotes(tmp_path):
    names = ("1.npy", "NaN.npy", 'a, "b".npy', "é Ω.npy")
    make_few(tmp_path / "origin")
    for name in names:
        np.save(tmp_path / "origin" / "no" / name, np.ones((8, 6)))
    convert(tmp_path / "origin", tmp_path / "d")
    sources = load_dataset(tmp_path / "d").labels["source"]
    assert {f"no/{name}" for name in names} < set(sources)


@pytest.mark.parametrize("within", [".", "train"])
def test_class_folders_where_a_dataset_should_be(tmp_path, within):
    make_few(tmp_path / within)
    parameters = panel.SubstructureTraining.of(panel.OVERRIDES, dataset_dir=tmp_path)
    line = one_line(lambda: plan_training(parameters, Console(quiet=True), None), RunError)
    assert f"generate_data.py --task substructure --convert-from {tmp_path}" in line


def test_public_samples(tmp_path):
    folder = Path(os.environ.get("STRONGLENS_DATA", ""), "deeplense")
    if "STRONGLENS_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("STRONGLENS_DATA names no folder with deeplense/")
    assert "it contains no folder" in one_line(lambda: find_classes(folder), UsageError)
    for name in ("nosub", "cdm", "axion"):
        (tmp_path / "origin" / name).mkdir(parents=True)
        (tmp_path / "origin" / name / "1.npy").symlink_to((folder / f"{name}.npy").resolve())
    convert(tmp_path / "origin", tmp_path / "d")
    images = load_dataset(tmp_path / "d").images[:]
    assert images.shape == (3, 64, 64)
    for image, name in zip(images, ("nosub", "cdm", "axion"), strict=True):
        np.testing.assert_array_equal(image, np.load(folder / f"{name}.npy").astype("float32"))
