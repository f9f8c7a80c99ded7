"""Tables written row by row: killed and resumed runs."""

import csv

import pytest

from stronglens.measuring.tables import MIN_KEPT, GrowingTables
from stronglens.parameters import RunError, UsageError

HEADERS = {"measured": ["file", "path", "value"], "posteriors": ["path", "median"], "refused": ["path", "reason"]}


class Killed(BaseException):
    """Like SIGKILL: nothing is cleaned up."""


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def write(folder, names, settings=None, resume=False, stop_after=None):
    tables = GrowingTables(folder, HEADERS, settings or {"unit": "e-/s"}, resume)
    done = set(tables.done)
    with tables:
        for number, name in enumerate(names):
            if name in done:
                continue
            if number == stop_after:
                tables.flush()
                raise Killed
            tables.add({"measured": [[name, name, number]], "posteriors": [[name, "a,b"], [name, 'c"d']]})
    return done


def test_a_finished_table_replaces_an_earlier_one(tmp_path):
    write(tmp_path, ["x.fits", "y.fits"])
    assert rows_of(tmp_path / "measured.csv") == [HEADERS["measured"], ["x.fits"] * 2 + ["0"], ["y.fits"] * 2 + ["1"]]
    assert len(rows_of(tmp_path / "posteriors.csv")) == 5
    # There is no table of refused images, nor an unfinished file.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["measured.csv", "posteriors.csv"]


@pytest.mark.parametrize("cut", [0, 3, 9])
def test_a_killed_run_resumes_to_the_byte(tmp_path, cut):
    names = [f"{number}.fits" for number in range(8)]
    write(tmp_path / "whole", names)
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "measured.csv").write_text("of an earlier run\n")
    with pytest.raises(Killed):
        write(tmp_path / "killed", names, stop_after=5)
    assert (tmp_path / "killed" / "measured.csv").read_text() == "of an earlier run\n"
    # The last line is incomplete; the other table has more rows.
    part = tmp_path / "killed" / "measured.part.csv"
    part.write_bytes(part.read_bytes()[: -cut or None])
    done = write(tmp_path / "killed", names, resume=True)
    assert done == set(names[:5] if not cut else names[:4])
    for name in ("measured.csv", "posteriors.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_resuming_with_other_settings_is_refused(tmp_path):
    with pytest.raises(Killed):
        write(tmp_path, ["a", "b"], stop_after=1)
    with pytest.raises(UsageError, match="was made with unit = e-/s, now adu"):
        write(tmp_path, ["a", "b"], {"unit": "adu"}, resume=True)
    assert write(tmp_path, ["a", "b"], resume=True) == {"a"}


def test_a_long_unfinished_table_is_not_overwritten(tmp_path):
    names = [f"{number}.fits" for number in range(MIN_KEPT + 5)]
    with pytest.raises(Killed):
        write(tmp_path, names, stop_after=MIN_KEPT + 2)
    words = f"holds {MIN_KEPT + 2} images of an interrupted run: continue it with --resume"
    with pytest.raises(UsageError, match=words):
        write(tmp_path, names)
    with pytest.raises(Killed):
        write(tmp_path / "few", names, stop_after=3)
    assert write(tmp_path / "few", names) == set()


@pytest.mark.parametrize("damage", ["measured.part.json", "header", "bytes"])
def test_a_damaged_table_is_one_line(tmp_path, damage):
    with pytest.raises(Killed):
        write(tmp_path, ["a", "b"], stop_after=1)
    part = tmp_path / "measured.part.csv"
    if damage == "header":
        part.write_text("file,path\n" + part.read_text().partition("\n")[2])
    elif damage == "bytes":
        part.write_bytes(part.read_bytes() + b"\xff\xfe,\n")
    else:
        (tmp_path / damage).write_text("{")
    with pytest.raises(RunError, match="remove"):
        write(tmp_path, ["a", "b"], resume=True)
