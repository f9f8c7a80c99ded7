"""Command lines and TOML files to parameters.

Flags are matched exactly. Python's argparse is not used: it reads ``-srx=1`` as ``-s`` with the value ``rx=1``,
guesses at abbreviations, and refuses ``-sc -0.5,0.5``.
"""

import difflib
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence

from stronglens.parameters.config_file import dump_toml, read_toml
from stronglens.parameters.declaration import Declaration, declarations
from stronglens.parameters.errors import UsageError
from stronglens.parameters.help_table import PIPED_WIDTH, help_text

HELP_FLAGS = ("--help", "-h", "-help")
LOOKS_LIKE_A_NUMBER = re.compile(r"-\.?\d")
WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parse(
    cls,
    arguments: Sequence[str],
    *,
    program: str,
    overrides: Mapping | None = None,
    examples: Sequence[tuple[str, str]] = (),
    version: str = "",
    label_help: Callable | None = None,
):
    """Return the parameters that a command line asks for.

    Values are given as ``--name=value``, ``--name value``, ``-shortcut=value`` or ``-shortcut value``; of a flag given
    twice the last counts. The command line wins over ``--config``, which wins over the defaults.

    Parameters
    ----------
    cls : class made with ``declare``
    arguments : the command line without the program's name
    program : its name, for the help
    overrides : other defaults for some choices, as in ``Parameters.of``
    examples : pairs of what it does and the command
    version : printed by ``--version``
    label_help : called with the other parameters when ``--labels`` has no value; returns the text to print

    Raises
    ------
    UsageError
        In one line: an unknown flag, a missing or wrong value.
    SystemExit
        With code 0 after ``--help``, ``--version``, ``--print-config`` or ``--labels`` without a value.
    """
    overrides = overrides or {}
    if any(argument in HELP_FLAGS for argument in arguments):
        width = shutil.get_terminal_size((PIPED_WIDTH, 24)).columns
        _show(help_text(cls, program, overrides, examples, width))
    if "--version" in arguments:
        _show(f"stronglens {version}")

    given, config, print_config, list_labels = _read_tokens(cls, list(arguments), label_help is not None)
    if config is not None:
        given = _values_of_file(cls, config) | given
    parameters = cls.of(overrides, **given)
    if list_labels:
        _show(label_help(parameters))
    if print_config:
        _show(dump_toml(parameters))
    return parameters


def _read_tokens(cls, tokens: list[str], labels_may_be_listed: bool):
    flags = {}
    for declaration in declarations(cls):
        flags[declaration.flag] = declaration
        if declaration.shortcut:
            flags["-" + declaration.shortcut] = declaration
    given, config, print_config, list_labels = {}, None, False, False
    while tokens:
        token = tokens.pop(0)
        if not token.startswith("-") or token in ("-", "--"):
            raise UsageError(f"unexpected {token!r}: values follow a flag, as in --name=value")
        flag, has_value, value = token.partition("=")
        flag = flag.replace("serisic", "sersic")  # as the original scripts spelt it
        if flag == "--print-config" and not has_value:
            print_config = True
        elif flag == "--config":
            config = value if has_value else _take_value(tokens, flag)
        elif flag not in flags:
            raise UsageError(f"unknown flag {flag}{_suggest(flag, [*flags, '--config', '--print-config', '--help'])}")
        elif (declaration := flags[flag]).kind == "switch":
            given[declaration.name] = _convert(declaration, value) if has_value else True
        elif declaration.many:
            values = [value] if has_value else [_take_value(tokens, flag)]
            while tokens and not tokens[0].startswith("-"):
                values.append(tokens.pop(0))
            given[declaration.name] = (*given.get(declaration.name, ()), *values)
        elif declaration.name == "labels" and labels_may_be_listed and not value and not _value_follows(has_value, tokens):
            list_labels = True
        else:
            given[declaration.name] = _convert(declaration, value if has_value else _take_value(tokens, flag))
    return given, config, print_config, list_labels


def _value_follows(has_value, tokens) -> bool:
    return not has_value and bool(tokens) and not tokens[0].startswith("-")


def _take_value(tokens: list[str], flag: str) -> str:
    if not tokens or (tokens[0].startswith("-") and not LOOKS_LIKE_A_NUMBER.match(tokens[0])):
        raise UsageError(f"{flag} needs a value, as in {flag}=value")
    return tokens.pop(0)


def _convert(declaration: Declaration, text: str):
    """Turn the text of a command line into a value, which ``Declaration.check`` then looks at."""
    if declaration.kind == "number":
        return _to_number(declaration, text)
    if declaration.kind in ("range", "half_width"):
        parts = text.split(",")
        if len(parts) > 2:
            raise UsageError(f"{declaration.flag} must be low,high or one number, not {text!r}")
        numbers = [_to_number(declaration, part) for part in parts]
        return numbers if len(numbers) == 2 else numbers[0]
    if declaration.kind == "switch":
        if text.lower() not in WORDS:
            raise UsageError(f"{declaration.flag} is a switch: true or false, not {text!r}")
        return WORDS[text.lower()]
    if declaration.kind == "names":
        return tuple(name.strip() for name in text.split(",") if name.strip())
    return text


def _to_number(declaration: Declaration, text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        what = "low,high or one number" if declaration.kind == "range" else "a number"
        raise UsageError(f"{declaration.flag} must be {what}, not {text!r}") from None


def _values_of_file(cls, path: str) -> dict:
    known = {declaration.key: declaration for declaration in declarations(cls)}
    given = {}
    for key, value in read_toml(path).items():
        name = key.replace("_", "-").replace("serisic", "sersic")
        if name not in known:
            raise UsageError(f"{path}: unknown parameter {key!r}{_suggest(name, list(known))}")
        declaration = known[name]
        convert = isinstance(value, str) and declaration.kind in ("number", "half_width", "range", "names")
        given[declaration.name] = _convert(declaration, value) if convert else value
    return given


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else "; --help lists them all"


def _show(text: str) -> None:
    print(text)
    sys.exit(0)
