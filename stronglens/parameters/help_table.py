"""Declarations as a table: for ``--help`` and for the README."""

import textwrap
from collections.abc import Mapping, Sequence

from stronglens.parameters.declaration import Declaration, declarations
from stronglens.parameters.derived import plain
from stronglens.parameters.values import Range, shorten

PIPED_WIDTH = 120
NARROWEST_DESCRIPTION = 22
WIDEST_CELL = 13
"""Of valid range and default; longer ones go on, on the next line."""

HEADS = ("Argument", "Shortcut", "Type", "Unit", "Valid range", "Default", "Description")
TYPES = {"range": "low,high", "switch": "switch", "names": "a,b,...", "choice": "word", "text": "text"}

BUILT_IN = (
    ("--help", "-h", "switch", "", "", "", "print this and stop"),
    ("--version", "", "switch", "", "", "", "print the version and stop"),
    ("--config", "", "file", "", "", "", "read parameters from a TOML file; the command line wins over it"),
    ("--print-config", "", "switch", "", "", "", "print the parameters in effect as TOML and stop"),
)

NOTES = (
    "Ranges are low,high; one number fixes the value. Values may follow a space or an equals sign.",
    'In names of flags "effect" means effective radius: the radius that holds half the light.',
)

Row = tuple[str, ...]


def help_text(cls, program: str, overrides: Mapping, examples: Sequence[tuple[str, str]], width: int) -> str:
    """Return what ``--help`` prints, no line longer than ``width`` where the flags allow it.

    Parameters
    ----------
    cls : class made with ``declare``
    program : name of the command
    overrides : other defaults for some choices
    examples : pairs of what it does and the command
    width : columns of the terminal
    """
    width = max(40, width)
    lines = [f"Usage: python {program} [--name=value ...]", "", *textwrap.wrap((cls.__doc__ or "").strip(), width), ""]
    rows = table_rows(cls, overrides)
    measures = _measure([row for group in rows.values() for row in group])
    description = width - sum(measures) - 2 * len(measures)
    beside = description >= NARROWEST_DESCRIPTION
    lines += _lay_out(HEADS, measures, description if beside else None, width)
    lines.append("-" * min(width, sum(measures) + 2 * len(measures) + max(description, 0)))
    for title, group in rows.items():
        lines += [title]
        for row in group:
            lines += _lay_out(row, measures, description if beside else None, width)
        lines.append("")
    for note in NOTES:
        lines += textwrap.wrap(note, width)
    if examples:
        lines += ["", "Examples"]
        for what, command in examples:
            lines += [f"  # {what}", f"  python {command}"]
    return "\n".join(lines)


def markdown_table(cls, overrides: Mapping) -> str:
    """Return the same table in Markdown, a heading a group."""
    lines = []
    for title, group in table_rows(cls, overrides).items():
        lines += [f"**{title}**", "", "| " + " | ".join(HEADS) + " |", "|" + " --- |" * len(HEADS)]
        for row in group:
            cells = [f"`{cell}`" if cell and place < 2 else cell for place, cell in enumerate(row)]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def labels_table(columns, title: str) -> str:
    """Return the table of labels that can be learned: name, unit, prior and description of each column."""
    rows = [("Label", "Unit", "Drawn from", "Description")]
    for column in columns:
        prior = "" if column.prior is None else str(Range(*column.prior))
        rows.append((column.name, column.unit or "", prior or "follows", column.help))
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    lines = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows]
    return "\n".join([title, "", *lines])


def table_rows(cls, overrides: Mapping) -> dict[str, list[Row]]:
    """Return the cells of the table: group title to rows."""
    rows = {"Help and settings": list(BUILT_IN)}
    for declaration in declarations(cls):
        rows.setdefault(declaration.group, []).append(_row(declaration, overrides))
    return rows


def _row(declaration: Declaration, overrides: Mapping) -> Row:
    kind = TYPES.get(declaration.kind) or ("whole number" if declaration.type is int else "number")
    if declaration.kind == "text" and declaration.type.__name__ == "Path":
        kind = "path"
    if declaration.many:
        kind = "files"
    elsewhere = [
        f"{_describe_default(declaration, others[declaration.name])} with --{field.replace('_', '-')}={value}"
        for (field, value), others in overrides.items()
        if declaration.name in others
    ]
    description = declaration.help + (f" ({'; '.join(elsewhere)})" if elsewhere else "")
    return (
        declaration.flag,
        f"-{declaration.shortcut}" if declaration.shortcut else "",
        "number" if kind == "whole number" else kind,
        declaration.unit or "",
        _describe_valid(declaration),
        _describe_default(declaration, declaration.default),
        description,
    )


def _describe_valid(declaration: Declaration) -> str:
    if declaration.choices:
        return ", ".join(declaration.choices)
    if declaration.valid is None:
        return ""
    low, high = declaration.valid
    if high >= 1e9:
        return f">= {shorten(low)}"
    return f"{shorten(low)} to {shorten(high)}"


def _describe_default(declaration: Declaration, default) -> str:
    if default is None or default == ():
        return f"+-{declaration.of.replace('_', '-')}" if declaration.of else ""
    if declaration.kind == "switch":
        return "off"
    if isinstance(default, Range):
        return shorten(default.low) if default.is_fixed else str(default)
    if isinstance(default, tuple):
        return ", ".join(default)
    return f"{default:g}" if isinstance(default, float) else str(plain(default))


def _measure(rows: list[Row]) -> list[int]:
    """Return the widths of all cells but the description: flags are never broken."""
    widths = [max(len(head), *(len(row[place]) for row in rows)) for place, head in enumerate(HEADS[:-1])]
    return [width if place < 4 else min(width, WIDEST_CELL) for place, width in enumerate(widths)]


def _lay_out(row: Row, measures: list[int], description: int | None, width: int) -> list[str]:
    """Return the lines of one row; with ``description`` None, its text stands on lines of its own."""
    *cells, text = row
    columns = [
        textwrap.wrap(cell, measure, break_long_words=place >= 4, break_on_hyphens=False) or [""]
        for place, (cell, measure) in enumerate(zip(cells, measures, strict=True))
    ]
    if description is not None:
        columns.append(textwrap.wrap(text, description, break_on_hyphens=False) or [""])
        measures = [*measures, description]
    lines = []
    for line in range(max(map(len, columns))):
        parts = [column[line] if line < len(column) else "" for column in columns]
        lines.append("  ".join(part.ljust(measure) for part, measure in zip(parts, measures, strict=True)).rstrip())
    if description is None and row is not HEADS:
        lines += textwrap.wrap(text, width, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    return lines
