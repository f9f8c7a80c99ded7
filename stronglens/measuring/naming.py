"""Name measured files: a readable name, and one that is safe in the names of other files."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise, zip_longest
from typing import NamedTuple

ENDING = re.compile(
    r"\.(?:fits?|fts|npy|npz|pickle|pkl|zarr|fz)(?:\.(?:gz|fz|bz2|zip|xz|Z))?(?=$|\[)", flags=re.IGNORECASE
)
"""Ending of an image file, at the end of its name or before the brackets of an extension or a plane."""

UNSAFE = re.compile(r"[^\w.+~=,@-]+")
"""Characters that a file system, a shell or a table may refuse or misinterpret."""

LONGEST = 200
"""Largest length of a stem, in bytes: file systems allow 255 for the whole name of a file."""


class FileName(NamedTuple):
    """The names of a file to be measured.

    Attributes
    ----------
    path : str
        As it was given first.
    name : str
        For tables, messages and figures: the name of the file after that of its folder, as in ``J0946/sci.fits``, and
        after more parent folders if names would be equal otherwise. One line, printable.
    stem : str
        For the names of files made from it, such as ``J0946_sci`` in ``lens_J0946_sci.png``: the name without the
        ending of its format, with ``_`` in place of slashes and other unsafe characters. At most 200 bytes.
    """

    path: str
    name: str
    stem: str


def name_files(paths: Sequence[str | os.PathLike]) -> list[FileName]:
    """Give each file a unique name and a unique stem.

    Names do not depend on the order of the paths. Stems are also unique on file systems that ignore case, or that do
    not distinguish composed and decomposed accents. If two would still be equal, ``~2``, ``~3`` and so on are appended,
    in the order of their full paths.

    Parameters
    ----------
    paths : sequence of N str or PathLike

    Returns
    -------
    list of N FileName
        In the order of the paths. A file that is given twice, in any spelling, has the same names twice, so that
        ``list(dict.fromkeys(name_files(paths)))`` contains each file once.
    """
    full_paths = [_resolve(os.fspath(path)) for path in paths]
    given = {full: os.fspath(path) for full, path in zip(reversed(full_paths), reversed(paths), strict=True)}
    ordered = sorted(given)
    least = [2 if os.sep in given[full].removeprefix("./").rstrip(os.sep) else 1 for full in ordered]
    names = _number(map(_to_line, _shorten(ordered, least)), str)
    stems = _number(map(_to_stem, names), _fold)
    named = dict(zip(ordered, map(FileName, map(given.get, ordered), names, stems), strict=True))
    return [named[full] for full in full_paths]


def _resolve(path: str) -> str:
    """Return the full path, the same for all spellings; links are followed only if ``..`` comes after them."""
    folder, _, rest = path.rpartition("../")
    return os.path.abspath(os.path.join(_follow_links(f"{folder}../"), rest) if len(rest) < len(path) else path)


_follow_links = lru_cache(maxsize=1024)(os.path.realpath)


def _shorten(full_paths: Sequence[str], least: Sequence[int]) -> list[str]:
    """Return the shortest end of each path that no other path has, with at least as many parts as given."""
    backwards = [full.split(os.sep)[::-1] for full in full_paths]
    needed = list(least)
    # Paths that share the longest end are neighbours when sorted from their ends.
    for one, other in pairwise(sorted(range(len(backwards)), key=backwards.__getitem__)):
        count = next(k for k, (a, b) in enumerate(zip_longest(backwards[one], backwards[other]), start=1) if a != b)
        needed[one], needed[other] = max(needed[one], count), max(needed[other], count)
    return ["/".join(parts[count - 1 :: -1]) for parts, count in zip(backwards, needed, strict=True)]


def _to_line(name: str) -> str:
    """Return a name as one printable line; other characters are escaped as in Python, ``\\n`` or ``\\udcff``."""
    if name.isprintable():
        return name
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in name)


def _to_stem(name: str) -> str:
    """Return a name without its format's ending, with only characters that are safe in the name of a file."""
    stem = UNSAFE.sub("_", ENDING.sub("", name)).strip("._") or "image"
    return stem.encode()[-LONGEST:].decode(errors="ignore")


def _fold(stem: str) -> str:
    return unicodedata.normalize("NFC", stem).casefold()


def _number(texts: Iterable[str], key: Callable[[str], str]) -> list[str]:
    """Append ``~2``, ``~3`` and so on to texts whose key has occurred before."""
    taken, seen, numbered = set(), Counter(), []
    for text in texts:
        name, plain = text, key(text)
        found = plain
        while found in taken:
            seen[plain] += 1
            name = f"{text}~{seen[plain] + 1}"
            found = key(name)
        taken.add(found)
        numbered.append(name)
    return numbered
