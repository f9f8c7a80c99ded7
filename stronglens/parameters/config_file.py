"""Parameters in TOML files: read for ``--config`` and ``--preset``, written by ``--print-config``."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stronglens.parameters.checking import check_value, describe_unknown, describe_valid, read_value, shown_value
from stronglens.parameters.declaration import Declaration, declarations
from stronglens.parameters.errors import UsageError
from stronglens.parameters.parameter_set import Parameters, applicable, plain_value

WIDTH = 100
"""Of the comments in a file."""

TABLES = ("generate_data", "model_and_figures")
"""Of a preset: each command takes its own."""


def read_config(
    cls: type[Parameters],
    path: str,
    others: Mapping[str, type[Parameters]] | None = None,
    presets: Path | None = None,
    overruled: Sequence[type[Parameters]] = (),
) -> dict[str, Any]:
    """Read values from a TOML file of flat keys, the flags' names with hyphens or underscores.

    Parameters
    ----------
    cls : class of parameters
    path : str
    others : dict
        The parameters of other tasks and commands, by their names.
    presets : Path
        Folder of the presets that have names.
    overruled : sequence of classes
        Tasks that the file may be written for: values of theirs are left out.

    Returns
    -------
    dict of field name to value

    Raises
    ------
    UsageError
        When there is no such file, it is no TOML or a preset, or holds a key or a value that will not do.
    """
    where = f"--config={shown_value(path)}"
    if preset_name(path, presets) in _known_presets(presets) and not Path(path).exists():
        raise UsageError(f"{where}: this is a preset: give it with --preset={preset_name(path, presets)}")
    entries = read_toml(path, where)
    if any(isinstance(value, Mapping) and key.replace("-", "_") in TABLES for key, value in entries.items()):
        raise UsageError(f"{where}: this is a preset: give it with --preset={_in_full(path)}")
    return _read_entries(cls, entries, where, others, overruled)


def find_task_of_preset(name: str, table: str, folder: Path | None) -> Any:
    """Return the task that a preset names for a command, as it is written; None where it names none, or is no preset.

    Parameters
    ----------
    name, table, folder
        As in `read_preset`.
    """
    name = preset_name(name, folder)
    if name not in _known_presets(folder) and not Path(name).is_file():
        return None
    path = str(folder / f"{name}.toml") if folder and name in _known_presets(folder) else name
    entries = read_toml(path, f"--preset={shown_value(name)}").get(table)
    return entries.get("task") if isinstance(entries, Mapping) else None


def preset_name(name: str, folder: Path | None) -> str:
    """Return a preset's name as it is declared, whatever its case; a path as it is."""
    return name.lower() if name.lower() in _known_presets(folder) else name


def read_preset(
    cls: type[Parameters],
    name: str,
    table: str,
    folder: Path | None = None,
    others: Mapping[str, type[Parameters]] | None = None,
    overruled: Sequence[type[Parameters]] = (),
) -> dict[str, Any]:
    """Read a command's values from a preset: a TOML file of two tables, one a command, of keys as `read_config`'s.

    Parameters
    ----------
    cls : class of parameters
    name : str
        Of a file in `folder`, without its ending; or the path of a file that ends in ``.toml``.
    table : str
        One of ``TABLES``.
    folder : Path
    others : dict
        The parameters of other tasks and commands, by their names.
    overruled : sequence of classes
        As in `read_config`.

    Returns
    -------
    dict of field name to value

    Raises
    ------
    UsageError
        When there is no such preset, or its file will not do: the line names the file.
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
            line = f"{where}: {shown_value(found)} is not one of its tables, [{'] and ['.join(TABLES)}]"
            if not isinstance(entries, Mapping):
                line += f"; a file without tables is given with --config={_in_full(path)}"
            raise UsageError(line)
    if table not in tables:
        raise UsageError(f"{where}: has no table [{table}]")
    if "preset" in tables[table]:
        raise UsageError(f"{where}: a preset names no other preset")
    return _read_entries(cls, tables[table], where, others, overruled)


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


def _in_full(path: str) -> str:
    """Return a path to be copied from a line."""
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
        overruled = ()  # the file is written for this task
    for written, value in entries.items():
        key = written.replace("_", "-").replace("serisic", "sersic")
        if _is_of_other_task(key, value, declared, overruled):
            continue
        if key not in declared:
            raise UsageError(f"{where}: {describe_unknown('key', key, list(declared), others or {})}")
        declaration = declared[key]
        if declaration.name in values:
            raise UsageError(f"{where}: {key} is there twice, with hyphens and with underscores")
        try:
            values[declaration.name] = _read_entry(declaration, value)
        except UsageError as error:
            raise UsageError(f"{where}: {str(error).removeprefix('--')}") from None
    return values


def _is_of_other_task(
    key: str, value: Any, declared: Mapping[str, Declaration], overruled: Sequence[type[Parameters]]
) -> bool:
    """Whether a value of a file is one that only the parameters of other tasks know."""

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
    """Return the tables and values of a TOML file; `where` begins the line of an error.

    Raises
    ------
    UsageError
        When the file cannot be read or is not TOML.
    """
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
