"""What a declaration is, and the frozen parameter objects made of declarations."""

import dataclasses
import functools
import math
import types
import typing
from dataclasses import dataclass
from pathlib import Path

from stronglens.parameters.errors import UsageError
from stronglens.parameters.values import Range


@dataclass(frozen=True)
class Declaration:
    """One parameter, as declared once in the control panel.

    Attributes
    ----------
    name : str, of the field, such as ``src_redshift_range``
    kind : str, one of number, half_width, range, choice, switch, text, names
    type : the Python type of a value
    default, valid, choices, unit, help, symbol, shortcut : as declared
    column : str or None, the column of labels.csv that a range is drawn into
    of : str or None, the half-width that a component takes its range from
    applies : (field, choice) or None
    replaces : str or None, the range not drawn when this one is given
    many : bool, takes several values after one flag
    group : str, the title under which ``--help`` lists it
    """

    name: str
    kind: str
    default: object
    help: str
    type: type = str
    shortcut: str | None = None
    unit: str | None = None
    valid: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    symbol: str = ""
    column: str | None = None
    of: str | None = None
    applies: tuple[str, str] | None = None
    replaces: str | None = None
    many: bool = False
    optional: bool = False
    group: str = ""

    @property
    def flag(self) -> str:
        return "--" + self.key

    @property
    def key(self) -> str:
        """The name in the manifest and in TOML files: hyphenated."""
        return self.name.replace("_", "-")

    def check(self, value):
        """Return a value in its proper type.

        Raises
        ------
        UsageError
            Names the flag, the rule and the value received.
        """
        if value is None:
            if self.optional:
                return None
            raise self._refuse(value, "needs a value")
        check = getattr(self, f"_check_{self.kind}")
        return check(value)

    def _check_number(self, value):
        whole = self.type is int
        if isinstance(value, bool) or not isinstance(value, (int, float)) or (whole and not float(value).is_integer()):
            raise self._refuse(value, "must be a whole number" if whole else "must be a number")
        self._check_bounds(value, value)
        return int(value) if whole else float(value)

    def _check_half_width(self, value):
        if isinstance(value, (list, tuple)):  # (-v, v) says the same
            if len(value) != 2 or value[0] != -value[1]:
                raise self._refuse(value, "is one half-width v; for another range give the components their own")
            value = value[1]
        return self._check_number(value)

    def _check_range(self, value):
        if isinstance(value, (list, tuple)):
            if len(value) != 2 or any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in value):
                raise self._refuse(value, "must be two numbers, low and high")
            value = Range(*map(float, value))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            value = Range(float(value), float(value))
        elif not isinstance(value, Range):
            raise self._refuse(value, "must be low,high or one number")
        if value.low > value.high:
            raise self._refuse(value, "has its bounds reversed: give low,high")
        self._check_bounds(value, value.low, value.high)
        return value

    def _check_choice(self, value):
        if value not in self.choices:
            raise self._refuse(value, f"must be one of {', '.join(self.choices)}")
        return value

    def _check_switch(self, value):
        if not isinstance(value, bool):
            raise self._refuse(value, "is a switch: true or false")
        return value

    def _check_text(self, value):
        if not isinstance(value, (str, Path)) or not str(value):
            raise self._refuse(value, "must not be empty")
        if "\0" in str(value):
            raise self._refuse(str(value).replace("\0", "\\0"), "must not hold a null character")
        return self.type(value)

    def _check_names(self, value):
        if isinstance(value, str):
            value = (value,)
        if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) and name for name in value):
            raise self._refuse(value, "must be names separated by commas")
        if not value and self.default:
            raise self._refuse("", "needs at least one name")
        if len(set(value)) < len(value):
            raise self._refuse(",".join(value), "names something twice")
        return tuple(value)

    def _check_bounds(self, value, *numbers: float) -> None:
        if not all(map(math.isfinite, numbers)):
            raise self._refuse(value, "must be finite")
        low, high = self.valid or (-math.inf, math.inf)
        if not all(low <= number <= high for number in numbers):
            unit = f" {self.unit}" if self.unit else ""
            raise self._refuse(value, f"must lie within {low:g} to {high:g}{unit}")

    def _refuse(self, value, rule: str) -> UsageError:
        return UsageError(f"{self.flag} {rule}, not {str(value)!r}" if value is not None else f"{self.flag} {rule}")


# --------------------------------------------------------------------------------------
# What the control panel is written with
# --------------------------------------------------------------------------------------


def number(default, *, help, valid, shortcut=None, unit=None):
    """Declare a number: whole when its annotation is int."""
    return _declare("number", default, help=help, valid=valid, shortcut=shortcut, unit=unit)


def sampled(
    low, high, *, help, valid, shortcut=None, unit=None, symbol="", column=None, applies=None, replaces=None
):
    """Declare a quantity drawn uniformly from low to high; None, None: not drawn unless a range is given."""
    default = None if low is None else Range(float(low), float(high))
    return _declare(
        "range", default, help=help, valid=valid, shortcut=shortcut, unit=unit, symbol=symbol,
        column=column or "", applies=applies, replaces=replaces,
    )  # fmt: skip


def half_width(value, *, help, valid, shortcut=None, unit=None, applies=None):
    """Declare the half-width v of the ranges (-v, v) of two components."""
    return _declare("half_width", value, help=help, valid=valid, shortcut=shortcut, unit=unit, applies=applies)


def component(*, of, help, valid, shortcut=None, unit=None, symbol="", applies=None):
    """Declare one component of a pair: drawn from its own range when given, else by the pair's half-width."""
    return _declare(
        "range", None, help=f"{help}; wins over --{of.replace('_', '-')}", valid=valid, shortcut=shortcut, unit=unit,
        symbol=symbol, column="", of=of, applies=applies,
    )  # fmt: skip


def choice(default, choices, *, help, shortcut=None):
    """Declare one of several words."""
    return _declare("choice", default, help=help, choices=tuple(choices), shortcut=shortcut)


def switch(*, help, shortcut=None):
    """Declare something that is off unless its flag is given."""
    return _declare("switch", False, help=help, shortcut=shortcut)


def text(default, *, help, shortcut=None):
    """Declare a text, or a file or folder when its annotation is Path."""
    return _declare("text", default, help=help, shortcut=shortcut)


def names(default, *, help, shortcut=None, many=False):
    """Declare names separated by commas; with ``many``, also as several values after the flag."""
    return _declare("names", tuple(default), help=help, shortcut=shortcut, many=many)


def declare(cls):
    """Make a class of declarations a frozen dataclass with keyword arguments.

    Raises
    ------
    TypeError
        When two declarations share a flag or a shortcut.
    """
    made = dataclass(frozen=True, kw_only=True)(cls)
    taken = {"h": "--help"}
    for declaration in declarations(made):
        if declaration.shortcut in taken:
            raise TypeError(f"{declaration.flag} and {taken[declaration.shortcut]} share -{declaration.shortcut}")
        if declaration.shortcut is not None:
            taken[declaration.shortcut] = declaration.flag
    return made


class Parameters:
    """Base of the control panel's classes: checks itself when made, and cannot be changed afterwards."""

    def __post_init__(self):
        for declaration in declarations(type(self)):
            object.__setattr__(self, declaration.name, declaration.check(getattr(self, declaration.name)))

    @classmethod
    def of(cls, overrides=types.MappingProxyType({}), **given):
        """Make parameters from some values, the others by default.

        Parameters
        ----------
        overrides : dict of (field, choice) to dict of field to default
            Defaults that hold when ``field`` is ``choice``.
        given : values by field

        Raises
        ------
        UsageError
            When a value is wrong, when one is given that does not apply, or when two exclude one another.
        """
        known = {declaration.name: declaration for declaration in declarations(cls)}
        for name in given:
            if name not in known:
                raise UsageError(f"there is no parameter {name!r}")
        chosen = {name: known[name].default for name in known} | given
        defaults = {}
        for (name, value), others in overrides.items():
            if name in known and chosen[name] == value:
                defaults |= {other: default for other, default in others.items() if other in known}
        made = cls(**(defaults | given))
        for name in given:
            declaration = known[name]
            if not _does_apply(declaration, made) and getattr(made, name) != declaration.default:
                field, value = declaration.applies
                raise UsageError(f"{declaration.flag} means something only with {known[field].flag}={value}")
            if declaration.replaces in given and given[name] is not None:
                raise UsageError(f"{declaration.flag} and {known[declaration.replaces].flag} exclude one another: give one")
        return made


@functools.cache
def declarations(cls) -> tuple[Declaration, ...]:
    """Return the declarations of a class of parameters: group by group, in the order of its bases."""
    hints = typing.get_type_hints(cls)
    found = []
    groups = [base for base in cls.__bases__ if base is not Parameters and issubclass(base, Parameters)] or [cls]
    for group in groups:
        for field in dataclasses.fields(group):
            if "declaration" in field.metadata:
                found.append(_complete(field, hints[field.name], (group.__doc__ or "").strip()))
    return tuple(found)


def applicable(parameters) -> list[Declaration]:
    """Return the declarations that mean something given the choices made."""
    return [
        declaration
        for declaration in declarations(type(parameters))
        if _does_apply(declaration, parameters) and not _is_replaced(declaration, parameters)
    ]


def _declare(kind, default, **properties):
    declaration = Declaration(name="", kind=kind, default=default, **properties)
    return dataclasses.field(default=default, metadata={"declaration": declaration})


def _complete(field, hint, group) -> Declaration:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kinds = [option for option in options if option is not type(None)]
    declaration = field.metadata["declaration"]
    column = declaration.column
    if column == "":
        column = field.name.removesuffix("_range").replace("_", "-")
    return dataclasses.replace(
        declaration, name=field.name, type=kinds[0], optional=type(None) in options, column=column, group=group
    )


def _does_apply(declaration: Declaration, parameters) -> bool:
    return declaration.applies is None or getattr(parameters, declaration.applies[0]) == declaration.applies[1]


def _is_replaced(declaration: Declaration, parameters) -> bool:
    return any(
        other.replaces == declaration.name and getattr(parameters, other.name) is not None
        for other in declarations(type(parameters))
    )
