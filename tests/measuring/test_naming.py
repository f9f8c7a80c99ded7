"""Names of measured files: unique, short, safe in the names of other files, independent of the order."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stronglens.measuring.naming import name_files


def names(*paths):
    return [file.name for file in name_files(paths)]


def stems(*paths):
    return [file.stem for file in name_files(paths)]


def test_files_of_the_same_name_are_distinguished_by_their_folders():
    assert names("/a/x/data.fits", "/b/x/data.fits") == ["a/x/data.fits", "b/x/data.fits"]
    assert stems("/a/x/data.fits", "/b/x/data.fits") == ["a_x_data", "b_x_data"]
    # Only names that would be equal get more folders; a file without more folders is identified by the root.
    assert names("/a/x/data.fits", "/b/x/data.fits", "/a/y/data.fits") == [
        "a/x/data.fits", "b/x/data.fits", "y/data.fits"
    ]  # fmt: skip
    assert names("/x/data.fits", "/b/x/data.fits") == ["/x/data.fits", "b/x/data.fits"]
    assert names("/a/1/2/3/d.fits", "/b/1/2/3/d.fits") == ["a/1/2/3/d.fits", "b/1/2/3/d.fits"]
    assert names("lens.fits", "x/lens.fits") == [f"{Path.cwd().name}/lens.fits", "x/lens.fits"]


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        # Positions and dates contain dots; only the ending of the format is removed.
        ("s/J0946.1+10.fits", "s_J0946.1+10"),
        ("s/J0946.1+10.fits.gz", "s_J0946.1+10"),
        ("s/J0946.1+10.FITS.fz", "s_J0946.1+10"),
        ("s/J0946.1+10.npy", "s_J0946.1+10"),
        ("s/J0946.1+10.pickle", "s_J0946.1+10"),
        ("s/J0946.1+10", "s_J0946.1+10"),
        ("s/hst_1.2.3_drz.fts", "s_hst_1.2.3_drz"),
        ("s.v1/a.fit", "s.v1_a"),
        ("cube.fits[3]", "cube_3"),
        ("cube.zarr/", "cube"),
        ("a b/c:d?.fits", "a_b_c_d"),
        ("s/.fits", "s"),
        (".fits", "image"),
    ],
)
def test_a_stem_loses_the_ending_of_its_format_and_nothing_else(path, stem):
    assert stems(path) == [stem]


@pytest.mark.parametrize(
    "paths",
    [
        ("d/x.fits", "d/x.npy"),
        ("a_b/c.fits", "a/b_c.fits"),
        ("d/X.fits", "d/x.fits"),  # one file on macOS and Windows
        ("d/é.fits", unicodedata.normalize("NFD", "d/é.fits")),  # one file on macOS
        ("d/x.fits", "d/x.npy", "d/x~2.npy"),
        ("d/x?.fits", "d/x*.fits"),
        ("d/" + "x" * 250 + "1.fits", "d/" + "x" * 250 + "2.fits"),
    ],
)
def test_stems_differ_on_every_file_system(paths):
    found = {unicodedata.normalize("NFC", stem).casefold() for stem in stems(*paths)}
    assert len(found) == len(paths)
    assert max(len(os.fsencode(stem)) for stem in found) <= 210  # of 255: figures add a prefix and an ending
    assert dict(zip(paths, stems(*paths), strict=True)) == dict(
        zip(paths[::-1], stems(*paths[::-1]), strict=True)
    )  # in any order


def test_a_file_that_is_given_twice_has_one_name(tmp_path):
    here = Path.cwd().name
    files = name_files(["x/a.fits", "./x/a.fits", "x//a.fits", f"../{here}/x/a.fits", str(Path("x/a.fits").absolute())])
    assert len(dict.fromkeys(files)) == 1
    assert files[0].path == "x/a.fits"
    # After a link, `..` is the parent of the folder that it points to.
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "deep")
    assert names(f"{tmp_path}/link/../a.fits", f"{tmp_path}/a.fits") == ["real/a.fits", f"{tmp_path.name}/a.fits"]


def test_names_are_one_printable_line():
    (name,) = names("a\nb/c\udcff.fits")  # a folder name with a line break, a file name that is not UTF-8
    assert name == "a\\nb/c\\udcff.fits"
    name.encode()


@given(st.lists(st.lists(st.sampled_from(["a", "A", "b", "..", "x.fits", "x.npy"]), min_size=1, max_size=4)))
@settings(deadline=None)
def test_different_files_have_different_names(parts):
    paths = ["/".join(["/r/r/r/r", *some]) for some in parts]
    files = name_files(paths)
    different = {os.path.abspath(path) for path in paths}
    assert len({file.name for file in files}) == len({file.stem.casefold() for file in files}) == len(different)
    assert all(os.path.abspath(path).endswith(file.name) for path, file in zip(paths, files, strict=True))


@pytest.mark.parametrize("pattern", ["/survey/cutouts/{}.fits", "/survey/{}/a/b/c/data.fits"])
def test_many_files_have_different_names(pattern):
    paths = [pattern.format(number) for number in range(20_000)]
    files = name_files(paths)
    assert len({file.name for file in files}) == len({file.stem for file in files}) == 20_000
