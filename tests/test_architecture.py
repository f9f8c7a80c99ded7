"""The plan of the project, held: what imports what, and the modules that every task has."""

import ast
from functools import cache
from pathlib import Path

import pytest

import params_and_cli as panel

ROOT = Path(__file__).parent.parent
PACKAGE = sorted((ROOT / "stronglens").rglob("*.py"))
COMMANDS = [ROOT / name for name in panel.COMMANDS]
TASKS = set(panel.TASKS)
SIMULATED = set(panel.COMMANDS["generate_data.py"])  # other tasks learn from their datasets

CONTRACT = {  # of each task, by module: the function that shared code calls, or None
    "declarations": None,
    "simulator": "make_simulator",
    "request": "check_request",
    "plan": "plan_training",
    "train": "train_network",
    "report": "write_report",
    "measuring": "measure",
}
OPTIONAL = {"foreign": "plan_foreign", "explaining": "explain", "twins": "simulate_twins"}

ONLY_IN = {
    "argparse": (),
    "autolens": ("raytracing",),
    "autogalaxy": ("raytracing",),
    "autoarray": ("raytracing",),
    "matplotlib": ("plotting", "figures"),
    "pickle": ("dataset", "published"),
    "zarr": ("dataset",),
    "dask": ("execution",),
    "distributed": ("execution",),
    "sklearn": ("baseline",),
    "galsim": ("telescope",),
}

FOR_ALL = {"parameters", "atomic", "lens_models", "telescopes"}
MAY_IMPORT = {  # beside parameters
    "observation": {"dataset"},
    "networks": {"scaling", "training"},
    "training": {"network_archive"},
    "out_of_distribution": {"training"},
}

JOIN = {  # packages that join others for every task
    "simulation": {"sampling", "cosmology", "raytracing", "telescope", "dataset", "execution"},
    "learning": {
        "simulation",
        "dataset",
        "observation",
        "scaling",
        "training",
        "execution",
        "plotting",
        "network_archive",
    },
    "measuring": {"observation", "dataset", "plotting", "execution", "network_archive", "out_of_distribution"},
    "explaining": {"dataset", "measuring", "plotting", "training", "execution"},
}


@cache
def nodes_of(path):
    return list(ast.walk(ast.parse(path.read_text())))


def imported_modules(path):
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module == "stronglens":
                yield from (f"stronglens.{alias.name}" for alias in node.names)


def package_of(path):
    return path.relative_to(ROOT / "stronglens").with_suffix("").parts[0]


def points_down(package, module):
    """Whether a package may import a module."""
    if module.startswith(("params_and_cli", "generate_data", "model_and_figures")):
        return False
    if not module.startswith("stronglens.") or (other := module.split(".")[1]) == package:
        return True
    if package in TASKS:
        return other not in TASKS
    return package not in FOR_ALL and other in FOR_ALL | MAY_IMPORT.get(package, set()) | JOIN.get(package, set())


def test_imports_point_down():
    imports = [(path, module) for path in PACKAGE for module in imported_modules(path)]
    assert [(path, module) for path, module in imports if not points_down(package_of(path), module)] == []


def test_the_panel_imports_declarations_alone():
    imports = [node for node in nodes_of(ROOT / "params_and_cli.py") if isinstance(node, ast.Import | ast.ImportFrom)]
    assert all(isinstance(node, ast.ImportFrom) for node in imports)
    names = {node.module: {alias.name for alias in node.names} for node in imports}
    shared = {"stronglens.parameters", "stronglens.telescopes"}
    declared = {f"stronglens.{folder}" for folder in (*TASKS, "explaining")}
    assert names.keys() <= {"pathlib", "typing"} | shared | declared
    assert set(imported_modules(ROOT / "stronglens" / "telescopes.py")) <= {"collections.abc", "dataclasses"}
    assert all(names[folder] == {"declarations"} for folder in declared)
    for folder in declared:
        path = ROOT.joinpath(*folder.split("."), "declarations.py")
        own = {module for module in imported_modules(path) if module.startswith("stronglens")}
        assert own <= {"stronglens.parameters"}


def test_libraries_live_in_their_packages():
    imports = [(path.relative_to(ROOT), module) for path in PACKAGE + COMMANDS for module in imported_modules(path)]
    assert [pair for pair in imports if not may_import(*pair)] == []


def may_import(path, module):
    """Whether a file, named by its path in the clone, may import a library; the clone's own folder does not count."""
    folders = {path.stem, *path.parts}
    return not folders.isdisjoint(ONLY_IN.get(module.split(".")[0], folders))


def test_the_name_of_the_clones_folder_permits_nothing():
    clone = Path("/home/someone/telescope")
    sampling = clone / "stronglens" / "sampling.py"
    assert not may_import(sampling.relative_to(clone), "galsim")
    assert may_import(Path("stronglens/telescope/optics.py"), "galsim.roman")


def test_shared_code_names_no_task():
    shared = COMMANDS + [path for path in PACKAGE if package_of(path) not in TASKS]
    constants = [(path, node.value) for path in shared for node in nodes_of(path) if isinstance(node, ast.Constant)]
    assert [(path, value) for path, value in constants if isinstance(value, str) and value in TASKS] == []


def signature_of(path, name):
    """The names of a function's arguments, and which of them have a default."""
    for node in nodes_of(path)[0].body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return [argument.arg for argument in node.args.args], len(node.args.defaults)
    return None


@pytest.mark.parametrize("module", CONTRACT | OPTIONAL)
def test_every_task_has_the_same_modules_and_functions(module):
    signatures = {}
    for task in sorted(SIMULATED if module == "simulator" else TASKS):
        path = ROOT / "stronglens" / task / f"{module}.py"
        if module in OPTIONAL and not path.exists():
            continue
        assert path.exists(), f"the task {task} has no {module}.py"
        if name := (CONTRACT | OPTIONAL)[module]:
            signatures[task] = signature_of(path, name)
            assert signatures[task], f"{path} has no function {name}"
    assert len({str(signature) for signature in signatures.values()}) <= 1, signatures


def test_lens_models_are_named_where_they_are_built():
    built_in = {"lens_models.py", "raytracing/scene.py", "raytracing/coolest.py"}
    named = {
        str(path.relative_to(ROOT / "stronglens"))
        for path in PACKAGE
        for node in nodes_of(path)
        if isinstance(node, ast.Constant) and node.value in ("composite", "sie", "powerlaw")
    }
    assert named == built_in


def test_the_package_itself_imports_nothing():
    assert list(imported_modules(ROOT / "stronglens" / "__init__.py")) == []


@pytest.mark.parametrize("command", panel.COMMANDS)
def test_commands_stay_short(command):
    lines = [line.strip() for line in (ROOT / command).read_text().splitlines()]
    code = [line for line in lines if line and not line.startswith("#")]
    assert len(code) < 100, "a command names stages; the work belongs in the package"


def test_top_level_holds_what_the_plan_says():
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    top = {name.split("/")[0] for name in listed.stdout.splitlines() if not name.startswith(".")}
    assert top <= {
        "params_and_cli.py", "generate_data.py", "model_and_figures.py", "stronglens", "dataset", "figures", "tests",
        "benchmarks", "docs", "findings", "requirements.txt", "requirements.lock", "requirements-dev.txt",
        "requirements-dev.lock", "requirements-gpu.txt", "Makefile", "pyproject.toml", "README.md", "LICENSE",
        "CONTRIBUTING.md", "CITATION.cff", "CHANGELOG.md",
    }  # fmt: skip
