"""That the benchmarks run: what they measure never decides a test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, env=os.environ | environment
    )


@pytest.mark.benchmark
def test_gpu_benchmark_runs_without_a_gpu_and_without_tensorflow(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('no TensorFlow here')\n")
    output = tmp_path / "results" / "gpu.json"
    done = run("benchmarks.gpu", "--on-cpu", f"--output={output}", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    assert len(report["simulating"]["rows"]) == 4
    assert len(report["training"]["rows"]) == 2
    for row in report["simulating"]["rows"] + report["training"]["rows"]:
        assert all(value > 0 for value in row.values() if isinstance(value, (int, float)))


@pytest.mark.benchmark
def test_gpu_benchmark_says_in_a_line_that_there_is_no_gpu():
    done = run("benchmarks.gpu", JAX_PLATFORMS="cpu")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no GPU here" in done.stderr
