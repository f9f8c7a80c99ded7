"""Parameters in TOML files."""

import json
import tomllib

from stronglens.parameters.declaration import Parameters, applicable
from stronglens.parameters.derived import plain
from stronglens.parameters.errors import UsageError


def read_toml(path: str) -> dict:
    """Read the flat table of a TOML file.

    Raises
    ------
    UsageError
        When the file is missing, garbled, or holds nested tables.
    """
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"cannot read --config={path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"--config={path} is not TOML: {str(error).splitlines()[0]}") from None
    except ValueError as error:
        raise UsageError(f"cannot read --config={path}: {error}") from None
    for key, value in table.items():
        if isinstance(value, dict):
            raise UsageError(f"{path}: [{key}] is a table; parameters stand at the top, as in seed = 1")
    return table


def dump_toml(parameters: Parameters) -> str:
    """Return the parameters in effect as TOML, which ``--config`` reads back to the same."""
    lines, group = [], None
    for declaration in applicable(parameters):
        if declaration.group != group:
            group = declaration.group
            lines += ["", f"# {group}"] if lines else [f"# {group}"]
        value = plain(getattr(parameters, declaration.name))
        unit = f" [{declaration.unit}]" if declaration.unit else ""
        comment = f"  # {declaration.help}{unit}"
        if value is None:
            lines.append(f"# {declaration.key} ={comment}")
        else:
            lines.append(f"{declaration.key} = {_to_toml(value)}{comment}")
    return "\n".join(lines)


def _to_toml(value) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_to_toml, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)
