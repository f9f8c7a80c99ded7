"""What a declaration is, and what follows from it: parser, help table, validation, TOML, manifest."""

from stronglens.parameters.command_line import parse
from stronglens.parameters.config_file import dump_toml
from stronglens.parameters.declaration import (
    Declaration,
    Parameters,
    applicable,
    choice,
    component,
    declarations,
    declare,
    half_width,
    names,
    number,
    sampled,
    switch,
    text,
)
from stronglens.parameters.derived import columns, from_manifest, ranges, to_manifest
from stronglens.parameters.errors import RunError, StronglensError, UsageError
from stronglens.parameters.help_table import help_text, labels_table, markdown_table
from stronglens.parameters.values import Column, Range

__all__ = [
    "Column",
    "Declaration",
    "Parameters",
    "Range",
    "RunError",
    "StronglensError",
    "UsageError",
    "applicable",
    "choice",
    "columns",
    "component",
    "declarations",
    "declare",
    "dump_toml",
    "from_manifest",
    "half_width",
    "help_text",
    "labels_table",
    "markdown_table",
    "names",
    "number",
    "parse",
    "ranges",
    "sampled",
    "switch",
    "text",
    "to_manifest",
]
