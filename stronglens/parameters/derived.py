"""What follows from parameters: the ranges to draw from, the columns drawn into, the entry in a manifest."""

from pathlib import Path

from stronglens.parameters.declaration import Parameters, applicable, declarations
from stronglens.parameters.values import Column, Range


def ranges(parameters: Parameters) -> dict[str, Range]:
    """Return the range that each column is drawn from, in the order of declaration.

    A component without a range of its own takes (-v, v) from its pair's half-width v. A range that is not given is
    absent.
    """
    found = {}
    for declaration in applicable(parameters):
        if declaration.column is None:
            continue
        chosen = getattr(parameters, declaration.name)
        if chosen is None and declaration.of is not None:
            half_width = getattr(parameters, declaration.of)
            chosen = Range(0.0 - half_width, half_width)
        if chosen is not None:
            found[declaration.column] = chosen
    return found


def columns(parameters: Parameters) -> dict[str, Column]:
    """Return the drawn columns by name, each with this run's prior."""
    priors = ranges(parameters)
    return {
        declaration.column: Column(
            declaration.column,
            declaration.unit,
            declaration.symbol,
            declaration.help.split("; wins over")[0],
            (priors[declaration.column].low, priors[declaration.column].high),
        )
        for declaration in applicable(parameters)
        if declaration.column in priors
    }


RUN_ONLY = ("dataset_dir", "quiet", "force", "resume", "dry_run")
"""What says where and how to run, and changes nothing in what is made."""


def to_manifest(parameters: Parameters) -> dict:
    """Return the parameters that mean something, as JSON takes them, without those that say where and how to run."""
    return {
        declaration.key: plain(getattr(parameters, declaration.name))
        for declaration in applicable(parameters)
        if declaration.name not in RUN_ONLY
    }


def from_manifest(cls, entries: dict):
    """Return the parameters that ``to_manifest`` described; those it left out have their defaults."""
    known = {declaration.key: declaration for declaration in declarations(cls)}
    return cls.of(**{known[key].name: value for key, value in entries.items() if value is not None})


def plain(value):
    """Return a value as JSON and TOML take it."""
    if isinstance(value, Range):
        return [value.low, value.high]
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value
