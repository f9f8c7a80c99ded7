"""Sets of parameters, frozen and checked; their columns, ranges and entry in a manifest."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from stronglens.parameters.checking import check_value
from stronglens.parameters.declaration import Declaration, declarations, declare
from stronglens.parameters.errors import RunError, UsageError
from stronglens.parameters.values import Column, Range

Overrides = Mapping[tuple[str, str], Mapping[str, Any]]
"""Defaults that depend on the value of another parameter: {("telescope", "hst"): {"grid_size": 128}}."""


@declare
class Parameters:
    """Base of every group of parameters, and of the classes that join groups into a command's parameters."""

    def __post_init__(self):
        for name, declaration in declarations(type(self)).items():
            object.__setattr__(self, name, check_value(declaration, getattr(self, name)))
            if declaration.fixed and getattr(self, name) != declaration.default:
                raise UsageError(
                    f"{declaration.flag} is {declaration.default} in {type(self).__name__}; received "
                    f"{getattr(self, name)}"
                )

    @classmethod
    def of(cls, overrides: Overrides | None = None, **values: Any) -> Self:
        """Make parameters from values; all others have their defaults.

        Parameters
        ----------
        overrides : dict
            Defaults that depend on a choice.
        **values
            By field name.

        Raises
        ------
        UsageError
            When a value is not valid, does not apply, or excludes another one.
        TypeError
            When a parameter does not exist.
        """
        return resolve(cls, [values], overrides)


def resolve[P: Parameters](cls: type[P], layers: Sequence[Mapping[str, Any]], overrides: Overrides | None = None) -> P:
    """Make parameters from given values, defaults that depend on a choice, and declared defaults, in this priority.

    A value that conflicts with a value of a later layer is dropped.

    Parameters
    ----------
    cls : class of parameters
    layers : sequence of dict of field name to value
        Of a preset, a file, the command line. A later layer overrides an earlier one.
    overrides : dict
        Applied in their order, for the final value of each choice. The defaults of a given choice override those of a
        choice that has its default.

    Returns
    -------
    Parameters

    Raises
    ------
    UsageError
        When a value is not valid, does not apply, or excludes another one.
    """
    declared = declarations(cls)
    layers = [
        {name: check_value(declared[name], value) if name in declared else value for name, value in layer.items()}
        for layer in layers
    ]
    given = {name: value for layer in layers for name, value in layer.items()}
    rank = {name: number for number, layer in enumerate(layers) for name in layer}
    final = {name: declaration.default for name, declaration in declared.items()} | given

    def asked_for(name):
        """Return whether the parameter was given, or its half-width, or the parameter that it replaces."""
        return not given.keys().isdisjoint((name, declared[name].of, declared[name].replaces))

    chosen: set[str] = set()  # parameters whose default comes from a given choice
    for (chooser, choice), defaults in (overrides or {}).items():
        if chooser in declared and final[chooser] == choice and applies(declared[chooser], final):
            free = {name for name in defaults if name in declared and not asked_for(name)}
            if chooser in given:
                chosen |= free
            else:
                free -= chosen
            final |= {name: value for name, value in defaults.items() if name in free}

    dropped = set()
    for name in given:
        declaration = declared.get(name)
        if declaration is None or final[name] is None:
            continue  # the class itself refuses undeclared names
        if declaration.applies and not applies(declaration, final):
            if rank.get(declaration.applies[0], -1) <= rank[name]:
                raise UsageError(_inapplicable(declaration, declared, final))
            dropped.add(name)
        elif declaration.replaces in given:
            rival = declaration.replaces
            if rank[name] == rank[rival]:
                raise UsageError(f"{declaration.flag} and {declared[rival].flag} exclude each other; give only one")
            dropped.add(min(name, rival, key=rank.__getitem__))
        elif declaration.of and rank.get(declaration.of, -1) > rank[name]:
            dropped.add(name)  # a half-width that is given later sets both components
    return cls(**{name: value for name, value in final.items() if name not in dropped})


def applicable(parameters: Parameters) -> dict[str, Declaration]:
    """Return the declarations that apply for the values of these parameters, by field name."""
    values = vars(parameters)
    declared = declarations(type(parameters))
    applying = {name: declaration for name, declaration in declared.items() if applies(declaration, values)}
    replaced = {item.replaces for name, item in applying.items() if item.replaces and values[name] is not None}
    return {name: declaration for name, declaration in applying.items() if name not in replaced}


def applies(declaration: Declaration, values: Mapping[str, Any]) -> bool:
    """Return whether a parameter applies for the values of the others."""
    return declaration.applies is None or values[declaration.applies[0]] in declaration.applies[1]


def ranges(parameters: Parameters) -> dict[str, Range]:
    """Return the range of every drawn column, in the order of declaration."""
    found = {}
    for name, declaration in applicable(parameters).items():
        if declaration.is_drawn:
            value = getattr(parameters, name)
            half_width = getattr(parameters, declaration.of) if declaration.of else None
            if value is None and half_width is not None:
                value = _around_zero(half_width)
            if value is not None:
                found[declaration.column_name] = value
    return found


def columns(parameters: Parameters) -> dict[str, Column]:
    """Return the drawn columns with their priors, in the order of declaration."""
    found = ranges(parameters)
    applying = applicable(parameters)

    def turning(item: Declaration) -> dict[str, Any]:
        if item.of is None or not applying[item.of].spin:
            return {}
        first, second = (other.column_name for other in applying.values() if other.of == item.of)
        return {"spin": applying[item.of].spin, "pair": (first, second)}

    return {
        item.column_name: Column(
            name=item.column_name,
            unit=item.unit,
            symbol=item.symbol or rf"{{\rm {item.column_name}}}",
            help=item.help,
            prior=(found[item.column_name].low, found[item.column_name].high),
            **turning(item),
        )
        for item in applying.values()
        if item.is_drawn and item.column_name in found
    }


def to_manifest(parameters: Parameters) -> dict[str, Any]:
    """Return the parameters that apply and that the result depends on, as plain data by the names of their flags."""
    return {
        declaration.key: plain_value(getattr(parameters, name))
        for name, declaration in applicable(parameters).items()
        if declaration.recorded
    }


def from_manifest[P: Parameters](cls: type[P], entries: Mapping[str, Any], overrides: Overrides | None = None) -> P:
    """Return the parameters that `to_manifest` recorded.

    Raises
    ------
    RunError
        When an entry is not a parameter of this class, or is not valid.
    """
    names = {declaration.key: name for name, declaration in declarations(cls).items()}
    unknown = sorted(set(entries) - set(names))
    if unknown:
        raise RunError(f"the manifest contains an unknown parameter: {unknown[0]}")
    values = {names[key]: value for key, value in entries.items()}
    try:
        return resolve(cls, [values], overrides)
    except UsageError as error:
        raise RunError(f"the parameters in the manifest are not valid: {error}") from None


def plain_value(value: Any) -> Any:
    """Return the value of a parameter as a type of JSON and TOML."""
    if isinstance(value, Range):
        return [value.low, value.high]
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def _around_zero(half_width: float) -> Range:
    return Range(0.0 - half_width, half_width)


def _inapplicable(declaration: Declaration, declared: Mapping[str, Declaration], values: Mapping[str, Any]) -> str:
    assert declaration.applies
    chooser, wanted = declaration.applies
    flag = declared[chooser].flag
    needed = f"{flag}={' or '.join(wanted)}"
    return f"{declaration.flag} does not apply with {flag}={values[chooser]}; omit it or use {needed}"
