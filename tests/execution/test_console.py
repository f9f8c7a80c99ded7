import sys

from stronglens.execution import Console


def test_lines_warnings_and_progress(capsys):
    console = Console()
    console.say("one")
    console.warn("two")
    assert capsys.readouterr() == ("one\n", "warning: two\n")
    with console.progress(3, "counting") as progress:
        progress.advance(2)
    assert (progress.done, progress.total, progress.quiet) == (2, 3, False)


def test_quiet_prints_nothing(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    console = Console(quiet=True)
    console.say("one")
    console.warn("two")
    with console.progress(3, "counting") as progress:
        progress.advance(3)
    assert capsys.readouterr() == ("", "")
