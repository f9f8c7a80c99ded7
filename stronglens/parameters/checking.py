"""Parse and validate parameter values."""

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from stronglens.parameters.declaration import Declaration, declarations
from stronglens.parameters.errors import UsageError
from stronglens.parameters.values import Range, number_text

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WHOLE_NUMBER = re.compile(r"[+-]?\d{1,40}", re.ASCII)
NOT_FINITE = re.compile(r"[+-]?(inf|infinity|nan)", re.IGNORECASE)
LARGEST_EXACT = 2**53
"""Largest size of a whole number that a float represents exactly."""
LONGEST_SHOWN = 60
"""Maximum number of characters of a wrong value in a message."""


def read_value(declaration: Declaration, words: str) -> Any:
    """Parse and check a value that is written as text, on the command line or in quotes in a file.

    Parameters
    ----------
    declaration : Declaration
    words : str

    Returns
    -------
    object
        Of the declared type.

    Raises
    ------
    UsageError
        When the text is not a value of this type, or the value is not valid.
    """
    return check_value(declaration, _READERS[declaration.kind](declaration, words), words)


def check_value(declaration: Declaration, value: Any, received: Any = None) -> Any:
    """Check a value and convert it to the declared type.

    A range can be given as one number or as a pair of numbers, a float as a whole number, a path as text. The case of
    the letters of a choice is ignored.

    Parameters
    ----------
    declaration : Declaration
    value : object
    received : object
        The value to show in an error message instead of `value`.

    Returns
    -------
    object
        Of the declared type.

    Raises
    ------
    UsageError
        When the value is not valid; the message gives the flag, the rule and the value.
    """
    if value is None and declaration.default is None:
        return None
    try:
        return _CHECKS[declaration.kind](declaration, value)
    except _BrokenRule as wrong:
        shown = shown_value(value if received is None else received)
        raise UsageError(f"{declaration.flag} must be {wrong}; received {shown}") from None


def shown_value(value: Any) -> str:
    """Return a wrong value as one line of text: quoted if it is empty or has unusual characters, shortened if long."""
    words = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if not words or not words.isprintable() or " " in words:
        words = repr(words)
    return words if len(words) <= LONGEST_SHOWN else words[: LONGEST_SHOWN - 3] + "..."


def describe_valid(valid: tuple[float, float]) -> str:
    """Return bounds as text: ``0.001..20``."""
    return f"{number_text(valid[0])}..{number_text(valid[1])}"


class _BrokenRule(Exception):
    """The message says what a value must be."""


def nearest(word: str, candidates: Mapping[str, str]) -> str:
    """Return ``; did you mean X?`` for the candidate with the most similar spelling, or a hint at ``--help``."""
    import difflib

    bare = {candidate.lstrip("-"): words for candidate, words in candidates.items()}
    found = difflib.get_close_matches(word.lstrip("-").replace("_", "-").lower()[:100], bare, n=1, cutoff=0.6)
    return f"; did you mean {bare[found[0]]}?" if found else "; --help lists them all"


def describe_unknown(what: str, written: str, known: Sequence[str], others: Mapping[str, type]) -> str:
    """Return the error message for a flag or a key that a command does not have.

    Parameters
    ----------
    what : {"flag", "key"}
    written : str
    known : sequence of str
        The flags or keys of the command.
    others : dict of str to class of parameters
        Of the other commands (``generate_data.py``) and tasks (``--task=X``).
    """
    candidates: dict[str, str] = {}
    owners: dict[str, list[str]] = {}
    for owner, cls in others.items():
        for declaration in declarations(cls).values():
            full = declaration.flag if what == "flag" else declaration.key
            if written in (full, f"-{declaration.shortcut}"):
                owners.setdefault(full, []).append(owner)
            candidates.setdefault(full, f"{full} of {owner}")
    if owners:
        full, (first, *more) = next(iter(owners.items()))
        shown = written if written == full else f"{written} ({full})"
        if not first.startswith("--"):
            return f"{shown} belongs to {first}: give it to that command"
        tasks = [first, *(owner.removeprefix("--task=") for owner in more if owner.startswith("--"))]
        return f"{shown} applies to {', '.join(tasks)}"
    candidates |= {name: name for name in known}
    return f"unknown {what} {shown_value(written)}{nearest(written, candidates)}"


def _rule(declaration: Declaration) -> str:
    """Return what a value must be, in words."""
    what = "a whole number" if declaration.type is int else "a number"
    if declaration.type is Range:
        what += " or low,high"
    if declaration.valid:
        what += f" between {number_text(declaration.valid[0])} and {number_text(declaration.valid[1])}"
    return what


def _check_range(declaration: Declaration, value: Any) -> Range:
    if isinstance(value, Real):
        value = (value, value)
    elif isinstance(value, Range):
        value = (value.low, value.high)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise _BrokenRule(_rule(declaration))
    low, high = (_as_float(declaration, end) for end in value)
    if low > high:
        raise _BrokenRule("a range with its lower end first")
    return Range(low, high)


def _check_half_width(declaration: Declaration, value: Any) -> float:
    if isinstance(value, list | tuple):  # -v,v is equivalent to v
        symmetric = len(value) == 2 and all(isinstance(end, Real) for end in value) and value[0] == -value[1]
        if not symmetric:
            raise _BrokenRule(f"{_rule(declaration)}: the half-width v of -v,v")
        value = value[1]
    return _as_float(declaration, value)


def _check_number(declaration: Declaration, value: Any) -> float | int:
    if declaration.type is float:
        return _as_float(declaration, value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _BrokenRule(_rule(declaration))
    if not isinstance(value, Integral):
        value = float(value)
        if not (abs(value) < LARGEST_EXACT and value == int(value)):
            raise _BrokenRule(_rule(declaration))
        value = int(value)
    return _within(declaration, int(value))


def _as_float(declaration: Declaration, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _BrokenRule(_rule(declaration))
    try:
        value = float(value) + 0.0  # -0.0 and 0.0 are one value
    except OverflowError:
        value = math.inf
    return _within(declaration, value)


def _within(declaration: Declaration, value: float) -> float:
    if not math.isfinite(value):
        raise _BrokenRule("finite")
    if declaration.valid and not declaration.valid[0] <= value <= declaration.valid[1]:
        raise _BrokenRule(_rule(declaration))
    return value


def _check_choice(declaration: Declaration, value: Any) -> str:
    choices = {choice.lower(): choice for choice in declaration.choices}
    if not isinstance(value, str) or value.lower() not in choices:
        *others, last = declaration.choices
        raise _BrokenRule(f"{', '.join(others)} or {last}" if others else last)
    return choices[value.lower()]


def _check_switch(declaration: Declaration, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _BrokenRule("true or false")
    return value


def _check_text(declaration: Declaration, value: Any) -> str | Path:
    if declaration.type is Path and isinstance(value, Path):
        value = str(value)
    return declaration.type(_plain_text(value, "a path" if declaration.type is Path else "a text"))


def _check_names(declaration: Declaration, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise _BrokenRule("a list of names")
    value = tuple(_plain_text(item, "a list of names, each a text") for item in value)
    if not declaration.many:
        if not value:
            raise _BrokenRule("at least one name")
        if len(set(value)) < len(value):
            raise _BrokenRule("a list without repeated names")
    return value


def _plain_text(value: Any, what: str) -> str:
    """Return text that can be printed and written as UTF-8 in one line; refuse other values."""
    if not isinstance(value, str | Path) or not str(value):
        raise _BrokenRule(f"{what} that is not empty")
    if any(ord(character) < 32 or character == "\x7f" or "\ud800" <= character <= "\udfff" for character in str(value)):
        raise _BrokenRule(f"{what} without control characters")
    return str(value)


def _read_range(declaration: Declaration, words: str) -> float | tuple[float, ...]:
    ends = tuple(_read_float(declaration, word, words) for word in words.split(","))
    return ends if len(ends) > 1 else ends[0]


def _read_number(declaration: Declaration, words: str) -> float | int:
    if declaration.type is float:
        return _read_float(declaration, words, words)
    return int(words) if WHOLE_NUMBER.fullmatch(words) else _read_float(declaration, words, words)


def _read_float(declaration: Declaration, word: str, words: str) -> float:
    if NUMBER.fullmatch(word) or NOT_FINITE.fullmatch(word):
        return float(word)
    raise UsageError(f"{declaration.flag} must be {_rule(declaration)}; received {shown_value(words)}")


def _read_switch(declaration: Declaration, words: str) -> bool | str:
    return {"true": True, "false": False}.get(words.lower(), words)


def _read_names(declaration: Declaration, words: str) -> tuple[str, ...]:
    return tuple(words.split(","))


def _read_plainly(declaration: Declaration, words: str) -> str:
    return words


_READERS = {
    "sampled": _read_range,
    "component": _read_range,
    "half-width": _read_range,
    "number": _read_number,
    "choice": _read_plainly,
    "switch": _read_switch,
    "text": _read_plainly,
    "names": _read_names,
}

_CHECKS = {
    "sampled": _check_range,
    "component": _check_range,
    "half-width": _check_half_width,
    "number": _check_number,
    "choice": _check_choice,
    "switch": _check_switch,
    "text": _check_text,
    "names": _check_names,
}
