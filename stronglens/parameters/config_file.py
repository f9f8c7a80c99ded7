"""Parameters in a TOML file: read for ``--config``, written by ``--print-config``."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stronglens.parameters.checking import check_value, describe_valid, nearest, read_value, shown_value
from stronglens.parameters.declaration import Declaration, declarations
from stronglens.parameters.errors import UsageError
from stronglens.parameters.parameter_set import Parameters, applicable, plain_value

WIDTH = 100
"""Of the comments in a file."""


def read_config(cls: type[Parameters], path: str) -> dict[str, Any]:
    """Read values from a TOML file of flat keys, the flags' names with hyphens or underscores.

    Parameters
    ----------
    cls : class of parameters
    path : str

    Returns
    -------
    dict of field name to value

    Raises
    ------
    UsageError
        When there is no such file, it is no TOML, or holds a key or a value that will not do.
    """
    declared = {declaration.key: declaration for declaration in declarations(cls).values()}
    values: dict[str, Any] = {}
    where = f"--config={shown_value(path)}"
    for written, value in _read_toml(path, where).items():
        key = written.replace("_", "-").replace("serisic", "sersic")
        if key not in declared:
            raise UsageError(f"{where}: unknown key {shown_value(written)}{nearest(key, list(declared))}")
        declaration = declared[key]
        if declaration.name in values:
            raise UsageError(f"{where}: {key} is there twice, with hyphens and with underscores")
        try:
            values[declaration.name] = _read_entry(declaration, value)
        except UsageError as error:
            raise UsageError(f"{where}: {str(error).removeprefix('--')}") from None
    return values


def config_text(parameters: Parameters, program: str, version: str) -> str:
    """Write the parameters that apply as TOML, each under its help: `read_config` reads them back."""
    lines = [f"# {program} {version}: the configuration in effect. To use it again: {program} --config FILE"]
    group = None
    values = vars(parameters)
    applying = applicable(parameters)
    for name, declaration in declarations(type(parameters)).items():
        if name not in applying:
            continue
        if declaration.group != group:
            group = declaration.group
            lines += ["", f"# ---- {group} ----"]
        lines += ["", *textwrap.wrap(describe(declaration), WIDTH, initial_indent="# ", subsequent_indent="# ")]
        value = values[name]
        lines.append(f"# {declaration.key} =" if value is None else f"{declaration.key} = {_toml(plain_value(value))}")
    return "\n".join(lines)


def describe(declaration: Declaration) -> str:
    """Return a parameter's help with its unit and what is possible, in a line."""
    facts = [declaration.unit, declaration.valid and describe_valid(declaration.valid), ", ".join(declaration.choices)]
    known = "; ".join(fact for fact in facts if fact)
    return f"{declaration.help} [{known}]" if known else declaration.help


def _read_toml(path: str, where: str) -> Mapping[str, Any]:
    import tomllib

    try:
        return tomllib.loads(Path(path).read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{where}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"{where}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{where}: is not a TOML file ({reason})") from None


def _read_entry(declaration: Declaration, value: Any) -> Any:
    if isinstance(value, str) and declaration.kind in ("sampled", "component", "names"):
        return read_value(declaration, value)
    return check_value(declaration, value)


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')  # a parameter holds no control characters
        return f'"{escaped}"'
    return repr(value)
