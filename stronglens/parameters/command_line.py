"""Parse a command line into parameters. Flags cannot be abbreviated.

``argparse`` is not used: it would read ``-srx=1`` as ``-s`` with the value ``rx=1``, and ``-sc -0.5,0.5`` as two flags.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from stronglens.parameters.checking import check_value, describe_unknown, read_value, shown_value
from stronglens.parameters.declaration import Declaration, declarations
from stronglens.parameters.errors import UsageError
from stronglens.parameters.parameter_set import Overrides, Parameters, resolve

HELP = ("--help", "-help", "-h")
VERSION = "--version"
CONFIG = "--config"
PRINT_CONFIG = "--print-config"
NEGATIVE_VALUE = re.compile(r"-(\d|\.\d|(inf|infinity|nan)(,|$))", re.IGNORECASE)


Commands = Mapping[str, Mapping[str, type[Parameters]]]
"""Class of parameters by program and task. The first task of a program is the default task."""


def parse_command(
    commands: Commands,
    argv: Sequence[str],
    *,
    program: str,
    examples: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    presets: Path | None = None,
    **more: Any,
) -> Any:
    """Parse a command line with the parameters of the task that it names.

    Parameters
    ----------
    commands : dict of str (program) to dict of str (task) to class of parameters
    argv, program, presets, **more
        See `parse`.
    examples : dict of str (task) to sequence of (description, command)

    Returns
    -------
    Parameters of the task's class (for a type checker Any: the class is known at run time)

    Raises
    ------
    UsageError, SystemExit
        See `parse`.
    """
    tasks = commands[program]
    task, is_typed = _find_task(tasks, argv, program, presets)
    if task not in tasks:
        raise UsageError(f"{program} has no --task={task}, which learns from datasets of the tasks {', '.join(tasks)}")
    others = {f"--task={name}": cls for name, cls in tasks.items() if name != task}
    for other in (name for name in commands if name != program):
        by_task = sorted(commands[other].items(), key=lambda item: item[0] != task)
        others |= {other if name == task else f"{other} --task={name}": cls for name, cls in by_task}
    return parse(
        tasks[task],
        argv,
        program=program,
        examples=(examples or {}).get(task, ()),
        presets=presets,
        others=others,
        overruled=[cls for name, cls in tasks.items() if name != task] if is_typed else (),
        **more,
    )


def parse[P: Parameters](
    cls: type[P],
    argv: Sequence[str],
    *,
    program: str,
    version: str = "",
    overrides: Overrides | None = None,
    examples: Sequence[tuple[str, str]] = (),
    label_help: Callable[[Parameters], str] | None = None,
    presets: Path | None = None,
    others: Mapping[str, type[Parameters]] | None = None,
    overruled: Sequence[type[Parameters]] = (),
) -> P:
    """Parse a command line. If a flag is repeated, its last value counts.

    Values have this order of priority: command line, file of ``--config``, file of ``--preset`` (if the class has this
    parameter), defaults that depend on a choice (`overrides`), declared defaults.

    Parameters
    ----------
    cls : class of parameters
    argv : sequence of str
        Without the name of the program.
    program, version : str
    overrides : dict
        Defaults that depend on a choice; see `Overrides`.
    examples : sequence of (description, command)
        Shown in the help.
    label_help : callable
        Takes the parameters and returns the text to print when a flag for names is given without a value.
    presets : Path
        Folder of the named presets.
    others : dict of str to class of parameters
        Of other tasks (``--task=X``) and commands, so that an error message can say where a flag belongs.
    overruled : sequence of classes of parameters
        Of the tasks that the command line did not choose. A file may be written for one of these tasks: its values
        that only they know are ignored.

    Returns
    -------
    Parameters

    Raises
    ------
    UsageError
        When a flag or value is not valid; the message gives the flag, the rule and the value.
    SystemExit
        With code 0, after ``--help``, ``--version``, ``--print-config`` or the list of labels is printed.
    """
    argv = list(argv)
    if any(word in HELP for word in argv):
        from stronglens.parameters.help_table import help_text

        _print_and_leave(help_text(cls, program, overrides, examples))
    if VERSION in argv:
        _print_and_leave(f"{program} {version}")

    others = others or {}
    values: dict[str, Any] = {}
    file_values: dict[str, Any] = {}
    prints_config = prints_labels = False
    for word in _read_words(cls, argv, others):
        if word.declaration is None:
            if word.flag == PRINT_CONFIG:
                prints_config = True
            else:
                from stronglens.parameters.config_file import read_config

                file_values = read_config(cls, word.values[0], others, presets, overruled)
        elif not word.values:
            if label_help is None:
                raise UsageError(f"{word.flag} needs a value: {word.declaration.help}")
            prints_labels = True
        else:
            earlier = values.get(word.declaration.name, ()) if word.declaration.many else ()
            values[word.declaration.name] = _read_values(word.declaration, word.values, earlier)

    layers = [file_values, values]
    if preset := values.get("preset", file_values.get("preset")):
        from stronglens.parameters.config_file import preset_name, read_preset

        preset = preset_name(preset, presets)
        table = program.removesuffix(".py")
        layers = [read_preset(cls, preset, table, presets, others, overruled), *layers, {"preset": preset}]
    parameters = resolve(cls, layers, overrides)
    if prints_labels and label_help:
        _print_and_leave(label_help(parameters))
    if prints_config:
        from stronglens.parameters.config_file import config_text

        _print_and_leave(config_text(parameters, program, version))
    return parameters


def _find_task(
    tasks: Mapping[str, type[Parameters]], argv: Sequence[str], program: str, presets: Path | None
) -> tuple[str, bool]:
    """Return the task of the command line, of the --config file, of the preset, or else the first task.

    Also return whether a file that is read later may have been written for another task.
    """
    default = next(iter(tasks))
    declaration = declarations(tasks[default])["task"]
    typed = _last_value(argv, declaration.flag)
    if typed is not None:
        return read_value(declaration, typed), True
    from stronglens.parameters.config_file import find_task_of_preset, read_toml

    found = preset = None
    try:
        if config := _last_value(argv, CONFIG):
            entries = read_toml(config, CONFIG)
            found, preset = entries.get("task"), entries.get("preset")
        is_typed = found is not None
        preset = _last_value(argv, "--preset") or preset
        if found is None and isinstance(preset, str):
            found = find_task_of_preset(preset, program.removesuffix(".py"), presets)
    except UsageError:  # `parse` says in full why a file cannot be read; help is printed in any case
        return default, False
    return (default if found is None else check_value(declaration, found)), is_typed


def _last_value(argv: Sequence[str], flag: str) -> str | None:
    """Return the last value of a flag. The command line need not be valid otherwise."""
    value = None
    for position, word in enumerate(argv):
        written, equals, after = word.partition("=")
        if written == flag:
            value = after if equals else next(iter(argv[position + 1 :]), None)
    return value


@dataclass(frozen=True)
class _Word:
    """A flag as typed, its declaration (None for built-in flags) and its values."""

    flag: str
    declaration: Declaration | None
    values: tuple[str, ...]


def _read_words(cls: type[Parameters], argv: Sequence[str], others: Mapping[str, type[Parameters]]) -> Iterator[_Word]:
    flags: dict[str, Declaration | None] = dict.fromkeys((CONFIG, PRINT_CONFIG))
    for known in declarations(cls).values():
        flags[known.flag] = known
        if known.shortcut:
            flags[f"-{known.shortcut}"] = known

    position = 0
    before = ""
    while position < len(argv):
        written, equals, value = argv[position].partition("=")
        flag = written.replace("serisic", "sersic") if written.startswith("--") else written
        if flag not in flags:
            raise UsageError(_unexpected(argv[position], written, flags, before, others))
        declaration = flags[flag]
        end = position + 1
        if flag == PRINT_CONFIG and equals:
            raise UsageError(f"{PRINT_CONFIG} takes no value; received {shown_value(value)}")
        if equals:
            # --labels= is equivalent to --labels: it lists the labels.
            values: tuple[str, ...] = (value,) if value or declaration is None or declaration.kind != "names" else ()
        elif flag == PRINT_CONFIG or (declaration is not None and declaration.kind == "switch"):
            values = ("true",)
        else:
            most = len(argv) if declaration is not None and declaration.many else end + 1
            while end < min(most, len(argv)) and not _looks_like_flag(argv[end]):
                end += 1
            values = tuple(argv[position + 1 : end])
        if not values and (declaration is None or declaration.kind != "names" or declaration.many):
            raise UsageError(_missing(written, argv[end] if end < len(argv) else None))
        yield _Word(written, declaration, values)
        before, position = written, end


def _looks_like_flag(word: str) -> bool:
    return word.startswith("-") and word != "-" and not NEGATIVE_VALUE.match(word)


def _read_values(declaration: Declaration, written: tuple[str, ...], earlier: tuple[str, ...]) -> Any:
    if not declaration.many:
        return read_value(declaration, written[-1])
    return (*earlier, *(name for value in written for name in read_value(declaration, value)))


def _unexpected(
    word: str,
    written: str,
    flags: dict[str, Declaration | None],
    before: str,
    others: Mapping[str, type[Parameters]],
) -> str:
    if not word.startswith("-") or NEGATIVE_VALUE.match(word):
        where = f" after {before}" if before else ""
        return (
            f"unexpected {shown_value(word)}{where}: each value must follow its flag, and lists are written with "
            "commas and without spaces"
        )
    return describe_unknown("flag", written, [*flags, "--help", "--version"], others)


def _missing(flag: str, following: str | None) -> str:
    if following is None or not following.startswith("-"):
        return f"{flag} needs a value"
    return f"{flag} needs a value; write a value that begins with a hyphen as {flag}={shown_value(following)}"


def _print_and_leave(text: str) -> NoReturn:
    try:
        print(text)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, for example a pager, was closed
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)
