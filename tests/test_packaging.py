"""The installed package: a wheel is built, installed into an empty folder, and used from another one."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PathDistribution
from pathlib import Path

import numpy as np
import pytest

import params_and_cli as panel

pytestmark = pytest.mark.command

ROOT = Path(__file__).parent.parent
SCRIPTS = {"stronglens-generate-data": "generate_data.py", "stronglens-model-and-figures": "model_and_figures.py"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build a wheel of a copy of the sources, so that no build folder is left beside them, and install it alone."""
    source, wheels, target = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "target"))
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE", *(f"{name}.py" for name in top_level())):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "stronglens", source / "stronglens", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={wheels}", source], check=True)
    [wheel] = wheels.iterdir()
    subprocess.run([*pip, "install", "--no-deps", "--no-compile", f"--target={target}", wheel], check=True)
    return target


def top_level():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["py-modules"]


def run(installed, folder, script, *flags):
    """Run an installed command from a folder that holds nothing of the clone."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, installed / "bin" / script, *flags],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_every_module_of_the_package_is_installed(installed):
    def python_files(folder):
        return {str(path.relative_to(folder)) for path in (folder / "stronglens").rglob("*.py")}

    assert python_files(installed) == python_files(ROOT)
    presets = {path.name for path in (ROOT / "stronglens" / "presets").iterdir()}
    assert {path.name for path in (installed / "stronglens" / "presets").iterdir()} == presets != set()
    assert (installed / "stronglens" / "finding" / "templates.txt").exists()


def test_the_wheel_requires_what_requirements_txt_lists(installed):
    [folder] = installed.glob("stronglens-*.dist-info")
    distribution = PathDistribution(folder)
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert sorted(distribution.requires) == sorted(line for line in lines if line and not line.startswith("#"))
    assert distribution.version == panel.PROGRAM_VERSION


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_installed_command_runs_from_any_folder(installed, tmp_path, script):
    version = run(installed, tmp_path, script, "--version")
    assert (version.returncode, version.stdout.strip()) == (0, f"{SCRIPTS[script]} {panel.PROGRAM_VERSION}")
    page = run(installed, tmp_path, script, "--help")
    assert (page.returncode, page.stderr) == (0, "")
    assert page.stdout.startswith("usage: ")
    wrong = run(installed, tmp_path, script, "--no-such-flag")
    assert wrong.returncode == 2  # main's code is the command's


def test_an_installed_command_finds_its_presets(installed, tmp_path):
    values = run(installed, tmp_path, "stronglens-generate-data", "--preset=slacs", "--print-config")
    assert values.returncode == 0, values.stderr
    assert re.search(r'^telescope = "hst"', values.stdout, re.MULTILINE)


def test_an_installed_command_writes_into_the_current_folder(installed, tmp_path):
    for name in ("no", "sphere", "vort"):  # class folders: nothing is simulated
        (tmp_path / "given" / name).mkdir(parents=True)
        for number in range(4):
            image = np.random.default_rng(number).uniform(size=(16, 16))
            np.save(tmp_path / "given" / name / f"{number}.npy", image)
    flags = ("--task=substructure", "--convert-from=given", "--quiet")
    done = run(installed, tmp_path, "stronglens-generate-data", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "dataset" / "labels.csv").is_file()
