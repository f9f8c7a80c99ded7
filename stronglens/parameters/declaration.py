"""Declarations of parameters. All uses of a parameter are derived from its one declaration."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, dataclass_transform, get_args, get_origin

from stronglens.parameters.values import Range

BUILT_IN_FLAGS = ("help", "version", "config", "print-config")
BUILT_IN_SHORTCUTS = ("h", "help")
TYPES = {
    "sampled": (Range,),
    "half-width": (float,),
    "component": (Range,),
    "number": (int, float),
    "choice": (str,),
    "switch": (bool,),
    "text": (str, Path),
    "names": (tuple,),
}

Condition = tuple[str, str | tuple[str, ...]]
"""The name of a parameter and its value, or several: one of them must be chosen."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """Describe one parameter.

    Parameters
    ----------
    kind : {"sampled", "half-width", "component", "number", "choice", "switch", "text", "names"}
        Name of the function that made the declaration.
    default : object
    help : str
    shortcut : str or None
        Without its hyphen.
    unit : str or None
    valid : (low, high) or None
        Valid range, ends included.
    symbol : str or None
        TeX symbol of the drawn column, without dollar signs.
    choices : tuple of str
    applies : (name of another parameter, tuple of its values) or None
        The parameter applies only if the other parameter has one of these values. One value may be declared alone.
    column : str or None
        Name of the drawn column, if it differs from the flag's.
    of : str or None
        For a component: the name of its half-width.
    spin : int
        For a half-width: a rotation of the sky by an angle a rotates its two components by spin times a.
    replaces : str or None
        The parameter that is not used when this one is given.
    many : bool
        For names: whether several values may follow the flag, separated by spaces.
    recorded : bool
        Whether the result depends on the parameter, so that the manifest must contain it.
    fixed : bool
        For a choice: whether a class of parameters allows its default only (the task).
    name, type, group
        Set by `declare`: the field's name, its type without ``None``, the title of its class.
    """

    kind: str
    default: Any
    help: str
    shortcut: str | None = None
    unit: str | None = None
    valid: tuple[float, float] | None = None
    symbol: str | None = None
    choices: tuple[str, ...] = ()
    applies: tuple[str, tuple[str, ...]] | None = None
    column: str | None = None
    of: str | None = None
    spin: int = 0
    replaces: str | None = None
    many: bool = False
    recorded: bool = True
    fixed: bool = False
    name: str = ""
    type: type = object
    group: str = ""

    @property
    def key(self) -> str:
        """Name in files: ``src-redshift-range``."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """Name on the command line: ``--src-redshift-range``."""
        return f"--{self.key}"

    @property
    def is_drawn(self) -> bool:
        """Whether the parameter is the range of a column of the dataset."""
        return self.kind in ("sampled", "component")

    @property
    def column_name(self) -> str:
        """Name of the column of the dataset: ``src-redshift``."""
        return self.column or self.key.removesuffix("-range")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def declare(cls: type | None = None, /, **defaults: Any) -> Any:
    """Make a class of parameters from its declarations and those of its bases, in the order of the bases.

    Parameters
    ----------
    cls : class
    **defaults
        With ``@declare(name=value)``: defaults of this class for parameters that its bases declare.

    Raises
    ------
    TypeError
        When two declarations share a name, a flag or a shortcut; when a declaration contradicts its type; when a
        default is for an unknown parameter.
    """
    if cls is None:
        return lambda cls: _make(cls, defaults)
    return _make(cls, {})


def _make(cls: Any, defaults: Mapping[str, Any]) -> type:
    cls.own_declarations = {}
    fields = {name: value for name, value in vars(cls).items() if isinstance(value, dataclasses.Field)}
    inherited = _collect(cls)
    if unknown := defaults.keys() - inherited.keys():
        raise TypeError(f"{cls.__name__}: its bases do not declare {', '.join(sorted(unknown))}")
    cls.own_defaults = {name: dataclasses.replace(inherited[name], default=value) for name, value in defaults.items()}
    types = {field.name: field.type for base in cls.__bases__ for field in dataclasses.fields(base)} if defaults else {}
    cls.__annotations__ = {**vars(cls).get("__annotations__", {}), **{name: types[name] for name in defaults}}
    for name, declaration in cls.own_defaults.items():
        setattr(cls, name, dataclasses.field(default=declaration.default, metadata={"declaration": declaration}))
    cls = dataclass(frozen=True, kw_only=True)(cls)
    annotations = {field.name: field.type for field in dataclasses.fields(cls)}
    title = (cls.__doc__ or cls.__name__).strip().splitlines()[0]
    for name, field in fields.items():
        declaration = dataclasses.replace(
            field.metadata["declaration"], name=name, type=_plain_type(name, annotations[name]), group=title
        )
        cls.own_declarations[name] = declaration
    _refuse_clashes(cls, annotations)
    return cls


def declarations(cls: type) -> Mapping[str, Declaration]:
    """Return the declarations of a class by field name, in the order of the groups."""
    return _collect_once(cls)


def _collect(cls: type) -> Mapping[str, Declaration]:
    found = {name: item for base in cls.__mro__ for name, item in vars(base).get("own_declarations", {}).items()}
    for base in reversed(cls.__mro__):
        found |= vars(base).get("own_defaults", {})
    return MappingProxyType(found)


_collect_once = cache(_collect)


def sampled(
    low: float | None,
    high: float | None,
    *,
    help: str,
    shortcut: str | None = None,
    unit: str | None = None,
    valid: tuple[float, float] | None = None,
    symbol: str | None = None,
    column: str | None = None,
    applies: Condition | None = None,
    replaces: str | None = None,
) -> Any:
    """Declare a quantity that is drawn for each image, uniformly between two values.

    With None for both values the quantity is not drawn by default. `replaces` is the name of another sampled parameter
    that is not drawn when this one is given.
    """
    default = None if low is None or high is None else Range(low, high)
    return _field(
        kind="sampled", default=default, help=help, shortcut=shortcut, unit=unit, valid=valid, symbol=symbol,
        column=column, applies=applies, replaces=replaces,
    )  # fmt: skip


def half_width(
    value: float | None,
    *,
    help: str,
    shortcut: str | None = None,
    unit: str | None = None,
    valid: tuple[float, float] | None = None,
    applies: Condition | None = None,
    spin: int = 0,
) -> Any:
    """Declare the half-width v of the range (-v, v) of its components.

    With None the components are not drawn by default. A half-width with a `spin` has two components, x before y, which
    rotate with the sky.
    """
    default = None if value is None else float(value)
    return _field(
        kind="half-width", default=default, help=help, shortcut=shortcut, unit=unit, valid=valid, applies=applies,
        spin=spin,
    )  # fmt: skip


def component(
    *,
    of: str,
    help: str,
    shortcut: str | None = None,
    unit: str | None = None,
    valid: tuple[float, float] | None = None,
    symbol: str | None = None,
    applies: Condition | None = None,
) -> Any:
    """Declare a component of a half-width. A range given for the component replaces the half-width."""
    return _field(
        kind="component", default=None, help=help, shortcut=shortcut, unit=unit, valid=valid, symbol=symbol, of=of,
        applies=applies,
    )  # fmt: skip


def number(
    default: float | None,
    *,
    help: str,
    shortcut: str | None = None,
    unit: str | None = None,
    valid: tuple[float, float] | None = None,
    applies: Condition | None = None,
    recorded: bool = True,
) -> Any:
    """Declare a number; the field's type is int or float."""
    return _field(
        kind="number", default=default, help=help, shortcut=shortcut, unit=unit, valid=valid, applies=applies,
        recorded=recorded,
    )  # fmt: skip


def choice(
    default: str | None,
    choices: Sequence[str],
    *,
    help: str,
    shortcut: str | None = None,
    applies: Condition | None = None,
    fixed: bool = False,
    recorded: bool = True,
) -> Any:
    """Declare a choice between words; with `fixed` a class of parameters allows the default only."""
    return _field(
        kind="choice", default=default, help=help, shortcut=shortcut, choices=tuple(choices), applies=applies,
        fixed=fixed, recorded=recorded,
    )  # fmt: skip


def switch(*, help: str, shortcut: str | None = None, recorded: bool = True) -> Any:
    """Declare a boolean flag, off by default."""
    return _field(kind="switch", default=False, help=help, shortcut=shortcut, recorded=recorded)


def text(default: str | None, *, help: str, shortcut: str | None = None, recorded: bool = True) -> Any:
    """Declare a text or a path; the field's type is str or Path."""
    return _field(kind="text", default=default, help=help, shortcut=shortcut, recorded=recorded)


def names(
    default: Sequence[str],
    *,
    help: str,
    shortcut: str | None = None,
    many: bool = False,
    applies: Condition | None = None,
) -> Any:
    """Declare a list of names: a,b,c; with `many` also a b c (as a shell expands ``*.fits``) and an empty list."""
    return _field(kind="names", default=tuple(default), help=help, shortcut=shortcut, many=many, applies=applies)


def _field(applies: Condition | None = None, **values) -> Any:
    condition = None
    if applies:
        chooser, wanted = applies
        condition = chooser, (wanted,) if isinstance(wanted, str) else wanted
    declaration = Declaration(applies=condition, **values)
    return dataclasses.field(default=declaration.default, metadata={"declaration": declaration})


def _plain_type(name: str, annotation: Any) -> type:
    if isinstance(annotation, str):
        raise TypeError(f"{name}: the annotation must be a type (no 'from __future__ import annotations')")
    if isinstance(annotation, UnionType):
        (annotation,) = (item for item in get_args(annotation) if item is not type(None))
    return get_origin(annotation) or annotation


def _refuse_clashes(cls: Any, annotations: dict[str, Any]) -> None:
    seen: dict[str, str] = {f"--{flag}": "every command" for flag in BUILT_IN_FLAGS}
    seen |= {f"-{shortcut}": "every command" for shortcut in BUILT_IN_SHORTCUTS}
    owners = [base for base in cls.__mro__ if vars(base).get("own_declarations")]
    declared = {name for base in owners for name in base.own_declarations}
    for base in owners:
        for declaration in base.own_declarations.values():
            where = f"{base.__name__}.{declaration.name}"
            for flag in (declaration.flag, f"-{declaration.shortcut}" if declaration.shortcut else None):
                if flag in seen:
                    raise TypeError(f"{cls.__name__}: {flag} is declared by {seen[flag]} and by {where}")
                if flag:
                    seen[flag] = where
            if declaration.type not in TYPES[declaration.kind]:
                raise TypeError(f"{where}: a {declaration.kind} cannot be of type {declaration.type.__name__}")
            others = {declaration.of, declaration.replaces, declaration.applies and declaration.applies[0]}
            for other in others:
                # A group may refer to a parameter of another group: check this in the class that joins them.
                if other is not None and other not in declared and base is not cls:
                    raise TypeError(f"{where} refers to {other}, which {cls.__name__} does not declare")
    undeclared = annotations.keys() - declared
    if undeclared:
        raise TypeError(f"{cls.__name__}: {', '.join(sorted(undeclared))} has an annotation, but no declaration")
