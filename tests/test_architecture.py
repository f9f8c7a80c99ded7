"""The plan of the house, held: which room imports which, and what is imported where."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = sorted((ROOT / "stronglens").rglob("*.py"))
DOORS = [ROOT / "generate_data.py", ROOT / "model_and_figures.py"]
TASKS = {"regression", "substructure"}

ONLY_IN = {
    "argparse": (),
    "autolens": ("raytracing",),
    "autogalaxy": ("raytracing",),
    "autoarray": ("raytracing",),
    "matplotlib": ("plotting", "figures"),
    "pickle": ("dataset",),
    "zarr": ("dataset",),
    "dask": ("execution",),
    "distributed": ("execution",),
    "sklearn": ("baseline",),
    "galsim": ("telescope",),
}

MAY_IMPORT = {  # rooms of the middle floor that know one another; the rest know only parameters
    "observation": {"dataset"},
    "networks": {"scaling", "training"},
    "training": {"network_archive"},
    "out_of_distribution": {"training"},
}

JOIN = {  # rooms that join others for every task
    "simulation": {"sampling", "cosmology", "raytracing", "telescope", "dataset", "execution"},
    "learning": {"simulation", "dataset", "observation", "scaling", "training"},
    "measuring": {"observation", "dataset", "plotting", "execution", "network_archive"},
}


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module == "stronglens":
                yield from (f"stronglens.{alias.name}" for alias in node.names)


def room_of(path):
    parts = path.relative_to(ROOT / "stronglens").with_suffix("").parts
    return parts[0]


def ids(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("path", PACKAGE, ids=ids(PACKAGE))
def test_imports_run_upwards(path):
    room = room_of(path)
    for module in imported_modules(path):
        assert not module.startswith(("params_and_cli", "generate_data", "model_and_figures")), f"{path}: {module}"
        if not module.startswith("stronglens."):
            continue
        other = module.split(".")[1]
        if other == room:
            continue
        if room in ("parameters", "atomic"):
            pytest.fail(f"{room} imports {module}")
        if room not in TASKS:
            allowed = {"parameters", "atomic", "lens_models"} | MAY_IMPORT.get(room, set()) | JOIN.get(room, set())
            assert other in allowed, f"{room} imports {module}"
        else:
            assert other not in TASKS, f"a task imports a task: {module}"


@pytest.mark.parametrize("path", PACKAGE + DOORS, ids=ids(PACKAGE + DOORS))
def test_libraries_live_in_their_rooms(path):
    rooms = {path.stem, *path.parts}
    for module in imported_modules(path):
        library = module.split(".")[0]
        if library in ONLY_IN:
            assert rooms & set(ONLY_IN[library]), f"{path} imports {library}"


def test_lens_models_are_named_where_they_are_built():
    built_in = {"lens_models.py", "raytracing/scene.py", "raytracing/coolest.py"}
    named = {
        str(path.relative_to(ROOT / "stronglens"))
        for path in PACKAGE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in ("composite", "sie", "powerlaw")
    }
    assert named == built_in


def test_the_package_itself_imports_nothing():
    assert list(imported_modules(ROOT / "stronglens" / "__init__.py")) == []


@pytest.mark.parametrize("path", DOORS, ids=ids(DOORS))
def test_doors_stay_short(path):
    code = [line for line in path.read_text().splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(code) < 100, "a door names stages; the work belongs in the package"


def test_top_level_holds_what_the_plan_says():
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    top = {name.split("/")[0] for name in listed.stdout.splitlines() if not name.startswith(".")}
    assert top <= {
        "params_and_cli.py", "generate_data.py", "model_and_figures.py", "stronglens", "dataset", "figures", "tests",
        "benchmarks", "docs", "presets", "requirements.txt", "requirements.lock", "requirements-dev.txt",
        "requirements-dev.lock", "requirements-gpu.txt", "Makefile", "pyproject.toml", "README.md", "LICENSE",
    }  # fmt: skip
