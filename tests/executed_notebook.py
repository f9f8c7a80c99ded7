"""Execute a notebook in one IPython shell: ``python tests/executed_notebook.py NOTEBOOK`` keeps its outputs.

The outputs of a cell are what it prints, what it displays and its last value, as in Jupyter.
"""

import json
import sys
from base64 import b64encode
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from IPython.core.displayhook import DisplayHook
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output
from traitlets.config import Config


class LastValue(DisplayHook):
    """Displays the last value of a cell in all its forms, as Jupyter does; IPython would print it as text."""

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        self.shell.display_pub.publish(format_dict, md_dict)

    def finish_displayhook(self):
        self._is_active = False


class Shell(InteractiveShell):
    """A shell without a window system."""

    displayhook_class = LastValue

    def enable_gui(self, gui=None):
        pass


def execute(notebook: dict, own_files: str) -> dict:
    """Return a notebook with the outputs of its cells, which run in the current folder.

    Parameters
    ----------
    notebook : dict
        As in the file.
    own_files : str
        Folder for IPython's own files, so that it does not read or write those of the user.

    Raises
    ------
    Exception
        That of the first cell that fails.
    """
    shell = Shell.instance(ipython_dir=own_files, config=Config(HistoryManager={"enabled": False}))
    shell.run_line_magic("matplotlib", "inline")
    cells, count = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            with capture_output() as seen:
                result = shell.run_cell("".join(cell["source"]), store_history=True)
            if not result.success:
                print(seen.stdout, seen.stderr)
            result.raise_error()
            streams = [("stderr", seen.stderr), ("stdout", seen.stdout)]
            outputs = [stream_of(name, text) for name, text in streams if text]
            outputs += [displayed(output) for output in seen.outputs]
            cell = cell | {"execution_count": count, "outputs": outputs}
        cells.append(cell)
    return notebook | {"cells": cells}


def stream_of(name: str, text: str) -> dict:
    return {"output_type": "stream", "name": name, "text": text.splitlines(keepends=True)}


def displayed(output: RichOutput) -> dict:
    data = {
        kind: b64encode(value).decode() if isinstance(value, bytes) else value.splitlines(keepends=True)
        for kind, value in output.data.items()
    }
    return {"output_type": "display_data", "data": data, "metadata": {}}


def main(path: Path) -> None:
    notebook, place = json.loads(path.read_text()), Path.cwd() / path
    with TemporaryDirectory() as folder, TemporaryDirectory() as own_files, chdir(folder):
        notebook = execute(notebook, own_files)
    place.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
