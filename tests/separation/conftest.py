"""A small dataset of the separation task."""

from pathlib import Path

import pytest
from small_separation import SMALL_FLAGS

import generate_data


@pytest.fixture(scope="session")
def small_separation(tmp_path_factory) -> Path:
    """A dataset of 60 images; not to be changed."""
    folder = tmp_path_factory.mktemp("small_separation") / "dataset"
    assert generate_data.main([*SMALL_FLAGS, "-n=60", f"--dataset-dir={folder}", "--quiet"]) == 0
    return folder
