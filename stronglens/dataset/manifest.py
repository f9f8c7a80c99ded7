"""The manifest of a dataset: what it says, signed, and what the files beside it are called."""

import json
import platform
from importlib.metadata import version

from stronglens.dataset.files import checksum

FORMAT = "stronglens-dataset"
FORMAT_VERSION = 2

IMAGES, LABELS, MANIFEST, PROGRESS, LOCK = "images", "labels.csv", "manifest.json", "progress", ".lock"

SOURCE = "source"
"""The column of ``labels.csv`` that says which file an image was read from, in a dataset that was not simulated."""


def library_versions(program_version: str) -> dict[str, str]:
    """Return the versions on which an image's bytes depend: an interrupted dataset is resumed under the same ones."""
    libraries = ("autolens", "jax", "jaxlib", "numpy", "scipy", "astropy")
    return {
        "stronglens": program_version,
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


def manifest_checksum(manifest: dict) -> str:
    """Return the checksum of all that a manifest says, but for this checksum itself."""
    sums = {name: value for name, value in manifest["checksums"].items() if name != MANIFEST}
    return checksum(json.dumps(manifest | {"checksums": sums}, sort_keys=True).encode())


def is_signed(manifest: dict) -> bool:
    """Whether a complete manifest is the one that was written."""
    try:
        return manifest["checksums"][MANIFEST] == manifest_checksum(manifest)
    except (KeyError, TypeError, AttributeError, ValueError):
        return False


def dump_manifest(manifest: dict) -> str:
    """Return a manifest as JSON, its long lists on one line each."""
    blocks = []
    for key, value in manifest.items():
        if isinstance(value, dict) and value:
            inner = ",\n".join(f"    {json.dumps(name)}: {json.dumps(item)}" for name, item in value.items())
            text = f"{{\n{inner}\n  }}"
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n" + ",\n".join(f"    {json.dumps(item)}" for item in value) + "\n  ]"
        else:
            text = json.dumps(value)
        blocks.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(blocks) + "\n}\n"
