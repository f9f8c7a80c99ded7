import pytest

from stronglens.atomic import replacing


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
