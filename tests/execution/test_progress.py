from stronglens.execution import Progress, describe_duration


def test_progress_writes_plain_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr("stronglens.execution.progress.PLAIN_LINE_INTERVAL", 0.0)
    with Progress(10, "simulating", "images") as progress:
        progress.advance(5)
    assert capsys.readouterr().err.startswith("simulating: 5 of 10 images, ")
    with Progress(10, "simulating", "images", quiet=True) as progress:
        progress.advance(5)
    assert capsys.readouterr().err == ""


def test_durations():
    assert [describe_duration(s) for s in (3.21, 45, 200, 7500)] == ["3.2 s", "45 s", "3 min 20 s", "2 h 05 min"]
