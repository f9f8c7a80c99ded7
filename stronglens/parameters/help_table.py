"""The table of all parameters, for ``--help`` and for docs/parameters/; the table of labels."""

import os
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stronglens.parameters.checking import describe_valid
from stronglens.parameters.declaration import Declaration, declarations
from stronglens.parameters.parameter_set import Overrides, Parameters
from stronglens.parameters.values import Column, Range, number_text

HEADER = ("Argument", "Shortcut", "Type", "Unit", "Valid range", "Default", "Description")
WIDTH_WHEN_PIPED = 120
NARROW = 110
"""Terminal width below which a description is printed below the other cells, columns."""
WIDEST_DESCRIPTION = 90
WIDEST_CELLS = (99, 99, 12, 8, 12, 12)
"""Widths beyond which cells are wrapped, characters."""
MOST_OVERRIDES = 10
"""Maximum number of defaults set by one choice for which the rows of the table show them."""
BREAKS = re.compile(r"(?<=[,/])|(?<=[^|] )(?!\|)|(?<=[a-z])(?=\.[a-z])|(?= \|)")
"""Positions where a cell can be wrapped: after a comma, a slash or a space, before a file suffix or a bar."""
Row = tuple[str, ...]

BUILT_IN = (
    ("--help", "-h", "switch", "", "", "", "print this table (also -help)"),
    ("--version", "", "switch", "", "", "", "print the version"),
    ("--config", "", "path", "", "", "-", "TOML file of parameter values; flags override its values"),
    ("--print-config", "", "switch", "", "", "", "print the current values as a file for --config"),
)
NOTES = (
    "Write a value as --argument=value, --argument value, -shortcut=value or -shortcut value. Write a range as "
    "low,high, or as one number to fix the value. The default -v,v is given by the half-width v of the pair. If an "
    "argument is repeated, its last value counts."
)


def help_text(
    cls: type[Parameters],
    program: str,
    overrides: Overrides | None = None,
    examples: Sequence[tuple[str, str]] = (),
    width: int | None = None,
) -> str:
    """Return the text of ``--help``.

    Parameters
    ----------
    cls : class of parameters
    program : str
    overrides : dict
        Defaults that depend on a choice; the descriptions show them.
    examples : sequence of (description, command)
    width : int, characters
        By default the width of the terminal.

    Returns
    -------
    str
    """
    width = width or terminal_width()
    lines = [f"usage: {program} [--argument=value ...]", "", *_wrap(cls.__doc__ or "", width, ""), ""]
    lines += [*_wrap(_tasks_text(cls), width, ""), ""] if _tasks_text(cls) else []
    lines += _lay_out(_groups(cls, overrides), width)
    lines += ["", *_wrap(NOTES, width, "")]
    if examples:
        lines += ["", "Examples"]
        for what, command in examples:
            lines += [*_wrap(what, width, "  "), f"      {command}"]
    return "\n".join(lines)


def markdown_table(cls: type[Parameters], overrides: Overrides | None = None, heading: str = "###") -> str:
    """Return the table of all parameters as Markdown, with a heading and a table for each group."""
    parts = []
    for title, rows in _groups(cls, overrides):
        parts += [f"{heading} {title}", "", _markdown_row(HEADER), "|---" * len(HEADER) + "|"]
        parts += [_markdown_row((*(_code(cell) for cell in row[:2]), *row[2:])) for row in rows]
        parts.append("")
    return "\n".join(parts)


def parameter_pages(commands: Mapping[str, Mapping[str, type[Parameters]]], overrides: Overrides) -> dict[str, str]:
    """Return the text of docs/parameters/TASK.md for each task: the parameter tables of all commands.

    Parameters
    ----------
    commands : mapping of command to mapping of task to class of Parameters
    overrides : mapping
        Defaults that depend on a choice.
    """
    return {
        task: f"# Parameters of --task={task}\n\nWritten by `python params_and_cli.py`.\n\n"
        + "\n".join(
            f"## {program}\n\n{tasks[task].__doc__}\n\n{markdown_table(tasks[task], overrides)}"
            for program, tasks in commands.items()
            if task in tasks
        )
        for task in dict.fromkeys(task for tasks in commands.values() for task in tasks)
    }


def labels_table(columns: Iterable[Column], title: str, width: int | None = None) -> str:
    """Return the table of labels that can be learned: name, unit, prior range, description."""
    header = ("Label", "Unit", "Drawn from", "Description")
    rows = [
        (
            column.name,
            column.unit or "",
            "(derived)" if column.prior is None else _range_text(Range(*column.prior)),
            column.help,
        )
        for column in columns
    ]
    widths = [max(len(row[cell]) for row in [header, *rows]) for cell in range(3)]
    indent = " " * (sum(widths) + 2 * len(widths))
    width = min(width or terminal_width(), len(indent) + WIDEST_DESCRIPTION)
    lines = [title, ""]
    for row in [header, tuple("-" * size for size in (*widths, len(header[3]))), *rows]:
        cells = "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=False))
        first, *more = _wrap(row[3], width, indent) or [""]
        lines += [f"{cells}  {first[len(indent) :]}".rstrip(), *more]
    return "\n".join(lines)


def terminal_width() -> int:
    """Return the width in characters: COLUMNS of the environment, or the terminal's; 120 without a terminal."""
    try:
        width = int(os.environ.get("COLUMNS", ""))
    except ValueError:
        width = 0
    if width <= 0:
        try:
            width = os.get_terminal_size(sys.__stdout__.fileno()).columns  # type: ignore[union-attr]
        except (AttributeError, ValueError, OSError):
            width = 0
    return width or WIDTH_WHEN_PIPED


def _tasks_text(cls: type[Parameters]) -> str:
    """Return a line with the task of these flags and the commands that show other tasks' flags; empty for one task."""
    fixed = [item for item in declarations(cls).values() if item.fixed]
    others = [f"--help {item.flag}={word}" for item in fixed for word in item.choices if word != item.default]
    if not others:
        return ""
    return f"These are the arguments with {fixed[0].flag}={fixed[0].default}. For other tasks: {', '.join(others)}"


def _groups(cls: type[Parameters], overrides: Overrides | None) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for declaration in declarations(cls).values():
        groups.setdefault(declaration.group, []).append(_row(declaration, cls, overrides or {}))
    next(iter(groups.values())).extend(BUILT_IN)
    return list(groups.items())


def _row(declaration: Declaration, cls: type[Parameters], overrides: Overrides) -> Row:
    return (
        declaration.flag,
        f"-{declaration.shortcut}" if declaration.shortcut else "",
        _type_text(declaration),
        declaration.unit or "",
        describe_valid(declaration.valid) if declaration.valid else " | ".join(declaration.choices),
        _default_text(declaration, declaration.default),
        declaration.help + _override_text(declaration, cls, overrides),
    )


def _type_text(declaration: Declaration) -> str:
    if declaration.kind in ("choice", "switch"):
        return declaration.kind
    names = {int: "integer", float: "number", str: "text", tuple: "list"}
    return names.get(declaration.type) or declaration.type.__name__.lower()


def _default_text(declaration: Declaration, value: Any) -> str:
    if declaration.kind == "switch":
        return "off"
    if declaration.kind == "component" and value is None:
        return "-v,v"
    if isinstance(value, Range):
        return _range_text(value)
    if isinstance(value, int | float):
        return number_text(value)
    return (",".join(value) if isinstance(value, tuple) else str(value or "")) or "-"


def _range_text(value: Range) -> str:
    ends = [value.low] if value.is_fixed else [value.low, value.high]
    return ",".join(number_text(end) for end in ends)


def _override_text(declaration: Declaration, cls: type[Parameters], overrides: Overrides) -> str:
    # A choice that sets many defaults would fill every row; --print-config shows them.
    overrides = {choice: defaults for choice, defaults in overrides.items() if len(defaults) <= MOST_OVERRIDES}
    declared = {name: item for name, item in declarations(cls).items() if item.applies is None}
    texts = [
        f"{_default_text(declaration, defaults[declaration.name])} with {declared[chooser].flag}={choice}"
        for (chooser, choice), defaults in overrides.items()
        if chooser in declared
        and choice in declared[chooser].choices  # of this task
        and defaults.get(declaration.name, declaration.default) != declaration.default
    ]
    return f" (default {', '.join(texts)})" if texts else ""


@dataclass(frozen=True)
class _Layout:
    widths: tuple[int, ...]
    gap: int
    description_beside: int
    """Width of the description to the right of the other cells, characters; 0: it is printed below them."""


def _lay_out(groups: list[tuple[str, list[Row]]], width: int) -> list[str]:
    layout = _choose_layout([HEADER, *(row for _, rows in groups for row in rows)], width)
    if layout is None:
        return _stack(groups, width)
    lines = _line_up(HEADER, layout, width)
    lines += _line_up(tuple("-" * size for size in (*layout.widths, len(HEADER[-1]))), layout, width)
    for title, rows in groups:
        lines += ["", title]
        for row in rows:
            lines += _line_up(row, layout, width)
    return lines


def _choose_layout(rows: list[Row], width: int) -> _Layout | None:
    widths = []
    for cell in range(len(HEADER) - 1):
        texts = [row[cell] for row in rows]
        natural = max(len(text) for text in texts)
        unbroken = max(len(piece.strip()) for text in texts for piece in _pieces(text, cell))
        widths.append(min(natural, max(unbroken, WIDEST_CELLS[cell])))
    for gap in (2, 1):
        rest = width - sum(widths) - gap * len(widths)
        if width >= NARROW and rest >= len("Description") * 2:
            return _Layout(tuple(widths), gap, min(rest, WIDEST_DESCRIPTION))
        if rest + gap >= 0:
            return _Layout(tuple(widths), gap, 0)
    return None


def _line_up(row: Row, layout: _Layout, width: int) -> list[str]:
    """Return the lines of a row."""
    *cells, description = row
    columns = [_wrap_cell(text, layout.widths[cell], cell) for cell, text in enumerate(cells)]
    beside = layout.description_beside
    if beside:
        columns.append(_wrap(description, beside, ""))
    gap = " " * layout.gap
    lines = []
    for number in range(max(map(len, columns))):
        parts = [column[number] if number < len(column) else "" for column in columns]
        padded = (part.ljust(size) for part, size in zip(parts, (*layout.widths, beside), strict=False))
        lines.append(gap.join(padded).rstrip())
    return lines if beside else lines + _wrap(description, min(width, NARROW), "    ")


def _stack(groups: list[tuple[str, list[Row]]], width: int) -> list[str]:
    """Return the rows as a list, for a terminal that is too narrow for a table."""
    lines: list[str] = []
    for title, rows in groups:
        lines += ([""] if lines else []) + _wrap(title, width, "")
        for flag, shortcut, *facts, default, description in rows:
            lines.append(f"{flag} {shortcut}".rstrip())
            facts = [fact for fact in (*facts, default and f"default {default}") if fact]
            lines += _wrap("; ".join(facts), width, "    ") + _wrap(description, width, "    ")
    return lines


def _wrap(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text, max(width, len(indent) + 10), initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _pieces(text: str, cell: int) -> list[str]:
    """Return the parts of a cell that must not be broken. Flags and shortcuts are never broken."""
    return [text] if cell < 2 else [piece.strip() if piece.isspace() else piece for piece in BREAKS.split(text)]


def _wrap_cell(text: str, width: int, cell: int) -> list[str]:
    lines = [""]
    for piece in _pieces(text, cell):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
            piece = piece.lstrip()
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
