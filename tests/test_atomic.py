import os

import pytest

from stronglens.atomic import replacing, replacing_folder


def test_file_appears_whole_with_its_ending(tmp_path):
    path = tmp_path / "new" / "network.keras"
    with replacing(path) as aside:
        assert aside.suffix == ".keras"
        aside.write_text("half")
        assert not path.exists()
        aside.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_old_file_stays_when_the_writing_fails(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("old")

    def fail_halfway():
        with replacing(path) as aside:
            aside.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_kill_left_behind_is_replaced(tmp_path):
    path = tmp_path / "labels.csv"
    (tmp_path / ".labels.partial.csv").write_text("of a killed process")
    with replacing(path) as aside:
        aside.write_text("new")
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"), replacing(tmp_path / "file" / "labels.csv"):
        pass


def write_folder(path, text):
    with replacing_folder(path) as aside:
        assert list(aside.iterdir()) == []
        (aside / f"{text}.txt").write_text(text)


def test_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "new" / "lens.old"
    for text in ("first", "second"):
        write_folder(path, text)
        assert [file.read_text() for file in path.iterdir()] == [text]
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", [1, 2])  # the old folder is moved aside, the new one into its place
def test_old_folder_stays_when_a_step_fails(tmp_path, monkeypatch, step):
    path, replace, calls = tmp_path / "lens", os.replace, []
    write_folder(path, "old")

    def fail(*names):
        calls.append(names)
        if len(calls) == step:
            raise OSError(28, "No space left on device")
        replace(*names)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_folder(path, "new")
    assert [file.name for file in path.iterdir()] == ["old.txt"]
    assert list(tmp_path.iterdir()) == [path]


def test_old_folder_is_put_back_after_a_kill_between_the_two_steps(tmp_path):
    path = tmp_path / "lens"
    write_folder(path, "old")
    os.replace(path, tmp_path / ".lens.before")
    (tmp_path / ".lens.partial").mkdir()
    with pytest.raises(KeyboardInterrupt), replacing_folder(path):
        raise KeyboardInterrupt
    assert [file.name for file in path.iterdir()] == ["old.txt"]
    assert list(tmp_path.iterdir()) == [path]


def test_folder_does_not_replace_a_file(tmp_path):
    (tmp_path / "lens").write_text("of somebody")
    with pytest.raises(OSError, match="a file has the name of the folder"):
        write_folder(tmp_path / "lens", "new")
    assert (tmp_path / "lens").read_text() == "of somebody"
