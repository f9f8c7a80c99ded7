"""The documentation: links and anchors resolve, commands are accepted, the index is complete, the README is short."""

import contextlib
import json
import re
import shlex
from pathlib import Path

import pytest

import params_and_cli as panel
from stronglens.parameters import parse_command

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]
PAGES += sorted([*DOCS.glob("*.md"), *DOCS.glob("*.ipynb")])

EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])

NOT_IN_THE_CODE = ("amplification", "plain", "shear-strength")  # docs/extending.md adds them as examples
LONGEST_README = 12_000  # bytes: what a reader looks through before the first command

FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(\s*([^)\s]+)\s*\)")


def source_of(path):
    """The text of a page, or of the text cells of a notebook."""
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = json.loads(path.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def text_of(path):
    """The text of a page without its code blocks, which may contain brackets of Python."""
    return FENCED.sub("", source_of(path))


def links_of(path):
    """The relative links of a page: (file, anchor or "")."""
    targets = [target for target in LINK.findall(text_of(path)) if not re.match(r"[a-z]+:", target)]
    return [tuple((target + "#").split("#")[:2]) for target in targets]


def commands_of(path):
    """The calls of the two commands in the shell blocks of a page, as (program, arguments)."""
    blocks = re.findall(r"^```sh\n(.*?)^```", source_of(path), re.MULTILINE | re.DOTALL)
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["python"] and words[1] in panel.COMMANDS:
            # The rest of the line after > is for the shell.
            yield words[1], words[2 : words.index(">") if ">" in words else None]


def anchors_of(path):
    """The anchors that GitHub gives to the headings of a page."""
    titles = re.findall(r"^#+ +(.*?)\s*$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@EVERY_PAGE
def test_links_and_anchors_resolve(page):
    for file, anchor in links_of(page):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name} links to {file}, which does not exist"
        assert not anchor or anchor in anchors_of(target), f"{page.name}: {target.name} has no heading #{anchor}"


@EVERY_PAGE
def test_commands_are_accepted(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for program, arguments in commands_of(page):
        if any(name in argument for argument in arguments for name in NOT_IN_THE_CODE):
            continue
        with contextlib.suppress(SystemExit):  # --labels and --print-config print and leave
            parse_command(
                panel.COMMANDS, arguments, program=program, overrides=panel.OVERRIDES, presets=panel.PRESETS,
                label_help=lambda parameters: "",
            )  # fmt: skip


def test_anchors_are_those_of_github(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Real lenses\n\n```sh\n# a comment\n```\n\n## Where the lens is: `--center`\n")
    assert anchors_of(page) == {"real-lenses", "where-the-lens-is---center"}


def test_the_index_lists_every_page():
    listed = {(DOCS / file).resolve() for file, _ in links_of(DOCS / "README.md")}
    pages = {*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")} - {DOCS / "README.md"}
    assert not pages - listed


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) < LONGEST_README
