"""The documentation: links and anchors resolve, the index is complete, the README is short."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md", *sorted(DOCS.glob("*.md"))]

LONGEST_README = 12_000  # bytes: what a reader looks through before the first command

FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(\s*([^)\s]+)\s*\)")


def text_of(path):
    """The text of a page without its code blocks, which may contain brackets of Python."""
    return FENCED.sub("", path.read_text())


def links_of(path):
    """The relative links of a page: (file, anchor or "")."""
    targets = [target for target in LINK.findall(text_of(path)) if not re.match(r"[a-z]+:", target)]
    return [tuple((target + "#").split("#")[:2]) for target in targets]


def anchors_of(path):
    """The anchors that GitHub gives to the headings of a page."""
    titles = re.findall(r"^#+ +(.*?)\s*$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_and_anchors_resolve(page):
    for file, anchor in links_of(page):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name} links to {file}, which does not exist"
        assert not anchor or anchor in anchors_of(target), f"{page.name}: {target.name} has no heading #{anchor}"


def test_anchors_are_those_of_github(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Real lenses\n\n```sh\n# a comment\n```\n\n## Where the lens is: `--center`\n")
    assert anchors_of(page) == {"real-lenses", "where-the-lens-is---center"}


def test_the_index_lists_every_page():
    listed = {(DOCS / file).resolve() for file, _ in links_of(DOCS / "README.md")}
    pages = set(DOCS.rglob("*.md")) - {DOCS / "README.md"}
    assert not pages - listed


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) < LONGEST_README
