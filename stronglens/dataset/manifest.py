"""The manifest of a dataset: its content and checksum, and the names of the other files."""

import json
import platform
from importlib.metadata import version

from stronglens.dataset.files import checksum

FORMAT = "stronglens-dataset"
FORMAT_VERSION, FORMAT_VERSION_OF_ARRAYS = 2, 3
"""Version 3 adds other arrays than the images; a dataset without them has version 2."""

IMAGES, LABELS, MANIFEST, PROGRESS, LOCK = "images", "labels.csv", "manifest.json", "progress", ".lock"

SOURCE = "source"
"""Column of ``labels.csv`` with the original file of each image, in a dataset of external images."""


def library_versions(program_version: str) -> dict[str, str]:
    """Return the versions that affect the bytes of images. A dataset can be resumed with equal versions only."""
    libraries = ("autolens", "jax", "jaxlib", "numpy", "scipy", "astropy")
    return {
        "stronglens": program_version,
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


def manifest_checksum(manifest: dict) -> str:
    """Return the checksum of a manifest without its own checksum."""
    sums = {name: value for name, value in manifest["checksums"].items() if name != MANIFEST}
    return checksum(json.dumps(manifest | {"checksums": sums}, sort_keys=True).encode())


def is_signed(manifest: dict) -> bool:
    """Return whether the checksum of a complete manifest is correct."""
    try:
        return manifest["checksums"][MANIFEST] == manifest_checksum(manifest)
    except (KeyError, TypeError, AttributeError, ValueError):
        return False


def describe(manifest: dict) -> str:
    """Return a short description of a dataset: ``1,000 images, task regression, lens-model sie, telescope euclid``."""
    parameters = _entries(manifest, "parameters")
    known = [name for name in ("task", "lens-model", "telescope", "preset") if parameters.get(name)]
    words = [f"{name} {parameters[name]}" for name in known]
    if folder := _entries(manifest, "origin").get("folder"):
        words.append(f"from the folder {folder}/")
    number = manifest.get("number")
    return ", ".join([f"{number:,} images" if isinstance(number, int) else "images", *words])


def list_differences(found: dict, wanted: dict) -> list[str]:
    """Return the differences between an existing manifest and an initial one, such as ``seed was 0, now 1``.

    The order is: parameters in both manifests, parameters in one of them, versions. Other keys depend on the parameters
    and are listed only if the parameters are equal.

    Parameters
    ----------
    found : dict
        The existing manifest.
    wanted : dict
        The manifest before the first image.
    """
    parameters = _list_entries(found, wanted, "parameters")
    differences = parameters + _list_entries(found, wanted, "versions")
    if parameters:
        return differences
    for key in (key for key in wanted if key not in ("complete", "parameters", "versions")):
        if isinstance(wanted[key], dict):
            differences += _list_entries(found, wanted, key)
        elif found.get(key) != wanted[key]:
            differences.append(f"{key} was {_shown(found.get(key))}, now {_shown(wanted[key])}")
    return differences


def _list_entries(found: dict, wanted: dict, key: str) -> list[str]:
    have, want = _entries(found, key), _entries(wanted, key)
    names = sorted(dict.fromkeys((*want, *have)), key=lambda name: not (name in have and name in want))
    return [
        f"{name} was {_shown(have.get(name))}, now {_shown(want.get(name))}"
        for name in names
        if have.get(name) != want.get(name)
    ]


def _entries(manifest: dict, key: str) -> dict:
    """Return a dict in a manifest; an empty one if the manifest is damaged."""
    return manifest[key] if isinstance(manifest.get(key), dict) else {}


def _shown(value) -> str:
    """Return the value of a parameter as written on the command line."""
    if value is None:
        return "not given"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def dump_manifest(manifest: dict) -> str:
    """Return a manifest as JSON, with each long list on one line."""
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
