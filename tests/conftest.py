"""The order of the tests, and what several of them need, such as small datasets."""

import os
import signal
import sys
from pathlib import Path

import absl.logging
import pytest
from hypothesis import settings
from small_datasets import SMALL

import generate_data

settings.register_profile("stronglens", deadline=None)  # a slow machine is not a failure
settings.load_profile("stronglens")

# A shell's background job ignores Ctrl-C, and so would all that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# PyAutoLens sets up logging anew as it is imported, and absl (TensorFlow's) then closes what it writes to: what pytest
# captures, if it was imported first.
absl.logging.get_absl_handler().python_handler.setStream(sys.__stderr__)


# Programs of JAX that several tests compile, also in processes of their own, are compiled once.
CACHE = Path(__file__).parents[1] / ".pytest_cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")

# JAX optimises programs for minutes that the tests run for milliseconds.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

TASKS = ("finding", "generation", "reconstruction", "regression", "separation", "substructure")
FOLDERS = ("explaining", "networks", "out_of_distribution", "raytracing", "simulation", "training", *TASKS)
FILES = ("test_benchmarks.py", "test_telescope_on_device.py")
COMPILING = {Path(__file__).parent / name for name in FOLDERS + FILES}
"""Folders and files of tests that compile programs of TensorFlow or JAX, which takes seconds each."""


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="leave out the tests that compile, or run whole commands")


def pytest_ignore_collect(collection_path, config):
    return True if config.getoption("quick") and collection_path in COMPILING else None


def pytest_collection_modifyitems(config, items):
    """Begin with the longest files: processes that share the tests then end at about the same time."""
    if config.getoption("quick"):
        items[:] = [item for item in items if not item.get_closest_marker("command")]
    items.sort(key=lambda item: (not item.get_closest_marker("command"), not COMPILING & {item.path, item.path.parent}))


@pytest.fixture(scope="module")
def shallow_flow():
    """Flows of two couplings: TensorFlow traces one in seconds, and the six of a real flow in three times as many."""
    from stronglens.training import FLOW

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FLOW, "depth", 2)
        yield


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory) -> Path:
    """A dataset of 60 images; not to be changed."""
    folder = tmp_path_factory.mktemp("small") / "dataset"
    assert generate_data.main([*SMALL, "-n=60", f"--dataset-dir={folder}", "--quiet"]) == 0
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images that STRONGLENS_DATA names."""
    folder = os.environ.get("STRONGLENS_DATA")
    if not folder or not Path(folder, "real_lenses").is_dir():
        pytest.skip("STRONGLENS_DATA names no folder of real lenses")
    return Path(folder)
