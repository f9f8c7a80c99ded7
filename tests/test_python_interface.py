"""The Python interface: the notebook and the blocks of its page run as they are written."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "start-here.ipynb"
LARGEST_NOTEBOOK = 200_000  # bytes: its figures are in the history of the repository for ever


def run(folder, *arguments):
    """Run Python in a folder that holds nothing of the clone, in its own process."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kinds_of(notebook):
    """What each code cell shows: kinds of outputs, without standard error, which depends on the machine's speed."""
    return [
        [sorted(output.get("data", ["text"])) for output in cell["outputs"] if output.get("name") != "stderr"]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def text_of(notebook, start):
    """The printed lines that begin with some words."""
    printed = [
        line
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        for line in output.get("text", [])
        if line.startswith(start)
    ]
    assert printed, f"no line begins with {start}"
    return printed


def test_notebook_is_small_and_names_no_machine():
    content = NOTEBOOK.read_text()
    assert len(content.encode()) < LARGEST_NOTEBOOK
    assert not re.search(r"[\"'\s(=](/|~/|[A-Z]:\\)(home|Users|tmp|work|mnt|root)\b", content)


@pytest.mark.slow
def test_notebook_runs(tmp_path):
    copy = Path(shutil.copy(NOTEBOOK, tmp_path))
    run(tmp_path, ROOT / "tests" / "executed_notebook.py", copy.name)
    written, executed = json.loads(NOTEBOOK.read_text()), json.loads(copy.read_text())
    assert kinds_of(executed) == kinds_of(written)  # the outputs in the repository are of these cells
    (radius,) = text_of(executed, "einstein-radius-sie   ")
    width, prior = (float(re.search(rf"{word} ([\d.]+)", radius)[1]) for word in (r"\+-", "prior"))
    assert width < 0.8 * prior  # the network has learned something: the text says that the posterior is narrower


@pytest.mark.slow
def test_blocks_of_the_page_run_in_order_and_in_one_process(tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4  # simulate, load, train, predict
    (tmp_path / "blocks.py").write_text("\n".join(blocks))
    printed = run(tmp_path, "blocks.py")
    assert "(16, 32, 32) float32" in printed
    assert {path.name for path in (tmp_path / "models").glob("*.keras")} == {"numbers.keras", "posterior.keras"}

    # The page says that a training after a simulation gives the same numbers as one in a process of its own.
    again = ["--dataset-dir=sie", "--labels=einstein-radius,src-center-x,src-center-y", "-e=2", "--posterior=flow"]
    run(
        tmp_path,
        ROOT / "model_and_figures.py",
        *again,
        "--augment=on",
        "--model-file=again.keras",
        "--figures-dir=again",
    )
    for name in ("predictions.csv", "metrics.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "figures" / name).read_bytes()
