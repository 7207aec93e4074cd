"""Finds the files that the configuration names, and reads what each kind of them tells of relationships."""

from __future__ import annotations

import glob
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from fkexplorer.schema.names import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fkexplorer.config.known import SourceFiles
    from fkexplorer.known.model import WrittenRelation

    Texts = Sequence[tuple[str, str]]
    """The files of one source: each one's name, as people are told of it, and its text."""
    Reading = tuple[list[WrittenRelation], list[str]]
    """What was found, and what could not be read of it, a sentence each."""

MOST_BYTES = 10 << 20
"""A file larger than this was not written by hand."""


def read_sources(sources: Sequence[SourceFiles], folder: Path) -> Reading:
    """All relationships that these files tell, and what is wrong with them.

    Args:
        sources: what is configured.
        folder: files below it are told relative to it.
    """
    relations: list[WrittenRelation] = []
    problems: list[str] = []
    kinds: dict[str, list[tuple[str, str]]] = {}
    for source in sources:
        kinds.setdefault(source.kind, []).extend(_texts(source, folder, problems))
    for kind, texts in kinds.items():
        # Each of their parsers takes some 30 ms to import: only of the kinds that there are.
        read: Callable[[Texts], Reading] = importlib.import_module(f"fkexplorer.known.{kind}").relations
        found, wrong = read(list(dict(texts).items()))
        relations += found
        problems += wrong
    return relations, problems


def as_typed(*parts: str) -> str:
    """A name as somebody would type it: what need not be quoted is folded as SQL folds it, or else taken as it is."""
    return ".".join(part if part.isidentifier() else quote(part) for part in parts)


def _texts(source: SourceFiles, folder: Path, problems: list[str]) -> list[tuple[str, str]]:
    """The files that a pattern means, in the order of their names."""
    pattern = source.folder / Path(source.pattern).expanduser()
    paths = sorted(glob.glob(str(pattern), recursive=True)) or [str(pattern)]  # noqa: PTH207 - an absolute one too
    if not glob.has_magic(source.pattern):
        paths = [str(pattern)]
    found: list[tuple[str, str]] = []
    for path in map(Path, paths):
        name = _told(path, folder)
        try:
            if path.stat().st_size > MOST_BYTES:
                problems.append(f"{source.origin}: {name} is larger than {MOST_BYTES >> 20} MB, and was not read")
            else:
                found.append((name, path.read_text(encoding="utf-8-sig")))
        except OSError as error:
            problems.append(f"{source.origin}: {name} can't be read: {error.strerror}")
        except UnicodeDecodeError:
            problems.append(f"{source.origin}: {name} is not UTF-8")
    return found


def _told(path: Path, folder: Path) -> str:
    """The path as people are told of it."""
    try:
        return str(path.resolve().relative_to(folder.resolve()))
    except ValueError:
        return str(path)
