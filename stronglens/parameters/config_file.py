"""Read parameters from TOML files (``--config``, ``--preset``) and write them (``--print-config``)."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stronglens.parameters.checking import check_value, describe_unknown, describe_valid, read_value, shown_value
from stronglens.parameters.declaration import Declaration, declarations
from stronglens.parameters.errors import UsageError
from stronglens.parameters.parameter_set import Parameters, applicable, plain_value

WIDTH = 100
"""Width of the comments in a written file, characters."""

TABLES = ("generate_data", "model_and_figures")
"""Tables of a preset, one for each command."""


def read_config(
    cls: type[Parameters],
    path: str,
    others: Mapping[str, type[Parameters]] | None = None,
    presets: Path | None = None,
    overruled: Sequence[type[Parameters]] = (),
) -> dict[str, Any]:
    """Read values from a TOML file without tables. Its keys are flag names, with hyphens or underscores.

    Parameters
    ----------
    cls : class of parameters
    path : str
    others, presets, overruled
        See `stronglens.parameters.parse`.

    Returns
    -------
    dict of field name to value

    Raises
    ------
    UsageError
        When the file does not exist, is not a TOML file or is a preset, or when a key or a value is not valid.
    """
    where = f"--config={shown_value(path)}"
    if preset_name(path, presets) in _known_presets(presets) and not Path(path).exists():
        raise UsageError(f"{where}: this is a preset: give it with --preset={preset_name(path, presets)}")
    entries = read_toml(path, where)
    if any(isinstance(value, Mapping) and key.replace("-", "_") in TABLES for key, value in entries.items()):
        raise UsageError(f"{where}: this is a preset: give it with --preset={_in_full(path)}")
    return _read_entries(cls, entries, where, others, overruled)


def find_task_of_preset(name: str, table: str, folder: Path | None) -> Any:
    """Return the task that a preset sets for a command, unchecked; None if it sets no task or is not a preset.

    Parameters
    ----------
    name, table, folder
        See `read_preset`.

    Raises
    ------
    UsageError
        When the file cannot be read.
    """
    name = preset_name(name, folder)
    if name not in _known_presets(folder) and not Path(name).is_file():
        return None
    path = str(folder / f"{name}.toml") if folder and name in _known_presets(folder) else name
    entries = read_toml(path, f"--preset={shown_value(name)}").get(table)
    return entries.get("task") if isinstance(entries, Mapping) else None


def preset_name(name: str, folder: Path | None) -> str:
    """Return the name of a preset in lower case, with or without its hyphens; return a path unchanged."""
    known = {preset.replace("-", ""): preset for preset in _known_presets(folder)}
    return known.get(name.lower().replace("-", ""), name)


def read_preset(
    cls: type[Parameters],
    name: str,
    table: str,
    folder: Path | None = None,
    others: Mapping[str, type[Parameters]] | None = None,
    overruled: Sequence[type[Parameters]] = (),
) -> dict[str, Any]:
    """Read the values of one command from a preset: a TOML file with a table of values for each command.

    Parameters
    ----------
    cls : class of parameters
    name : str
        Name of a file in `folder` without ``.toml``, or path of a file that ends in ``.toml``.
    table : str
        One of ``TABLES``.
    folder : Path
        Folder of the named presets.
    others, overruled
        See `stronglens.parameters.parse`.

    Returns
    -------
    dict of field name to value

    Raises
    ------
    UsageError
        When the preset does not exist or is not valid; the message names the file.
    """
    known = _known_presets(folder)
    if folder and name in known:
        path = str(folder / f"{name}.toml")
        where = f"--preset={name}: {folder.name}/{name}.toml"
    elif name.endswith(".toml"):
        path, where = name, f"--preset={shown_value(name)}"
    else:
        raise UsageError(f"--preset must be {', '.join([*known, 'or the path of a .toml file'])}; "
                         f"received {shown_value(name)}")  # fmt: skip
    tables = read_toml(path, where)
    for found, entries in tables.items():
        if found not in TABLES or not isinstance(entries, Mapping):
            line = f"{where}: {shown_value(found)} is not a table of a preset, [{'] or ['.join(TABLES)}]"
            if not isinstance(entries, Mapping):
                line += f"; give a file without tables with --config={_in_full(path)}"
            raise UsageError(line)
    if table not in tables:
        raise UsageError(f"{where}: has no table [{table}]")
    if "preset" in tables[table]:
        raise UsageError(f"{where}: a preset cannot name another preset")
    return _read_entries(cls, tables[table], where, others, overruled)


def config_text(parameters: Parameters, program: str, version: str) -> str:
    """Return the applicable parameters as TOML, with their help as comments. `read_config` can read this text."""
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
    """Return the help of a parameter with its unit and valid values, in one line."""
    facts = [declaration.unit, declaration.valid and describe_valid(declaration.valid), ", ".join(declaration.choices)]
    known = "; ".join(fact for fact in facts if fact)
    return f"{declaration.help} [{known}]" if known else declaration.help


def _in_full(path: str) -> str:
    """Return a path as text that can be copied from a message."""
    return path if path.isprintable() else repr(path)


def _known_presets(folder: Path | None) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.toml")) if folder else []


def _read_entries(
    cls: type[Parameters],
    entries: Mapping[str, Any],
    where: str,
    others: Mapping[str, type[Parameters]] | None,
    overruled: Sequence[type[Parameters]],
) -> dict[str, Any]:
    declared = {declaration.key: declaration for declaration in declarations(cls).values()}
    values: dict[str, Any] = {}
    if "task" in declared and entries.get("task") == declared["task"].default:
        overruled = ()  # the file is written for this task, so all its values must be valid
    for written, value in entries.items():
        key = written.replace("_", "-").replace("serisic", "sersic")
        if _is_of_other_task(key, value, declared, overruled):
            continue
        if key not in declared:
            raise UsageError(f"{where}: {describe_unknown('key', key, list(declared), others or {})}")
        declaration = declared[key]
        if declaration.name in values:
            raise UsageError(f"{where}: {key} is given twice, with hyphens and with underscores")
        try:
            values[declaration.name] = _read_entry(declaration, value)
        except UsageError as error:
            raise UsageError(f"{where}: {str(error).removeprefix('--')}") from None
    return values


def _is_of_other_task(
    key: str, value: Any, declared: Mapping[str, Declaration], overruled: Sequence[type[Parameters]]
) -> bool:
    """Return whether a value is valid for other tasks only."""

    def is_known(declaration: Declaration) -> bool:
        try:
            _read_entry(declaration, value)
        except UsageError:
            return False
        return True

    if key in declared and is_known(declared[key]):
        return False
    theirs = [item for cls in overruled for item in declarations(cls).values() if item.key == key]
    return any(map(is_known, theirs))


def read_toml(path: str, where: str) -> Mapping[str, Any]:
    """Return the tables and values of a TOML file; an error message begins with `where`.

    Raises
    ------
    UsageError
        When the file cannot be read or is not TOML.
    """
    import tomllib

    try:
        return tomllib.loads(Path(path).read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{where}: file not found") from None
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
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')  # parameters have no control characters
        return f'"{escaped}"'
    return repr(value)
