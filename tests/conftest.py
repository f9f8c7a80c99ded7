"""Shared fixtures: small datasets from generate_data.py, and the folder of real images if there is one."""

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
# captures, had it been woken first.
absl.logging.get_absl_handler().python_handler.setStream(sys.__stderr__)


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
