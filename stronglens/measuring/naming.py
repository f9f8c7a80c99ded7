"""Names of measured files: one for people to read and one for the names of other files."""

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
"""Ending of a file of images, at the end of its name or before the brackets of an extension or a plane."""

UNSAFE = re.compile(r"[^\w.+~=,@-]+")
"""Characters that a file system, a shell or a table may refuse, or take for something else."""

LONGEST = 200
"""Bytes of a stem: file systems allow 255 for a file's whole name."""


class FileName(NamedTuple):
    """The names of a file to be measured.

    Attributes
    ----------
    path : str
        As given, in its first spelling.
    name : str
        For tables, messages and figures: the file's own name behind its folder's, as ``J0946/sci.fits``, and behind as
        many of the folders above it as it takes to tell it from all others. One line, printable.
    stem : str
        For the names of files made from it, as ``J0946_sci`` in ``lens_J0946_sci.png``: the name without the ending of
        its format, with ``_`` for slashes and all else that a file system may refuse. At most 200 bytes.
    """

    path: str
    name: str
    stem: str


def name_files(paths: Sequence[str | os.PathLike]) -> list[FileName]:
    """Name files such that no two names are equal, nor two stems, on any file system.

    Names do not depend on the order of the paths. Stems stay apart also where capital letters do not count, and where
    composed and decomposed accents are the same. Two that would still be equal get ``~2``, ``~3`` and so on, in the
    order of their full paths.

    Parameters
    ----------
    paths : sequence of str or PathLike, N of them

    Returns
    -------
    list of N FileName
        In the order of the paths. A file that is given again, in any spelling, has the same names again, so that
        ``list(dict.fromkeys(name_files(paths)))`` has every file once.
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
    """Return the full path, the same for all spellings; links are followed only where ``..`` comes after them."""
    folder, _, rest = path.rpartition("../")
    return os.path.abspath(os.path.join(_follow_links(f"{folder}../"), rest) if len(rest) < len(path) else path)


_follow_links = lru_cache(maxsize=1024)(os.path.realpath)


def _shorten(full_paths: Sequence[str], least: Sequence[int]) -> list[str]:
    """Return the shortest end of each path that no other path has, of at least so many parts."""
    backwards = [full.split(os.sep)[::-1] for full in full_paths]
    needed = list(least)
    # Paths that share the longest end are neighbours when sorted from their ends.
    for one, other in pairwise(sorted(range(len(backwards)), key=backwards.__getitem__)):
        count = next(k for k, (a, b) in enumerate(zip_longest(backwards[one], backwards[other]), start=1) if a != b)
        needed[one], needed[other] = max(needed[one], count), max(needed[other], count)
    return ["/".join(parts[count - 1 :: -1]) for parts, count in zip(backwards, needed, strict=True)]


def _to_line(name: str) -> str:
    """Return a name as one printable line: other characters are written as in Python, ``\\n`` or ``\\udcff``."""
    if name.isprintable():
        return name
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in name)


def _to_stem(name: str) -> str:
    """Return a name without its format's ending, of characters that are safe in the name of a file."""
    stem = UNSAFE.sub("_", ENDING.sub("", name)).strip("._") or "image"
    return stem.encode()[-LONGEST:].decode(errors="ignore")


def _fold(stem: str) -> str:
    return unicodedata.normalize("NFC", stem).casefold()


def _number(texts: Iterable[str], key: Callable[[str], str]) -> list[str]:
    """Return texts, those whose key an earlier one has with ``~2``, ``~3`` and so on behind."""
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
