"""Parameters, each declared once, and all that is derived from a declaration.

A declaration defines the flag and its shortcut, how a value is read from the command line or a TOML file, the row in
the help, the check of a value, the drawn column of a dataset with its unit and prior, and the entry in the manifest.
"""

from stronglens.parameters.command_line import parse, parse_command
from stronglens.parameters.declaration import (
    Declaration,
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
from stronglens.parameters.errors import RunError, StronglensError, UsageError
from stronglens.parameters.help_table import help_text, labels_table, markdown_table, parameter_pages
from stronglens.parameters.parameter_set import (
    Overrides,
    Parameters,
    applicable,
    columns,
    from_manifest,
    ranges,
    to_manifest,
)
from stronglens.parameters.values import Column, Range

__all__ = [
    "Column",
    "Declaration",
    "Overrides",
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
    "from_manifest",
    "half_width",
    "help_text",
    "labels_table",
    "markdown_table",
    "names",
    "number",
    "parameter_pages",
    "parse",
    "parse_command",
    "ranges",
    "sampled",
    "switch",
    "text",
    "to_manifest",
]
