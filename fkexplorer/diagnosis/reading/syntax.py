"""Where a statement writes to, and where its parts end: what is asked of the tokens before anything is evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.literals import Kind, Token

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NOT_AN_ALIAS = ("values", "select", "default", "overriding", "with", "set", "where", "from", "using", "returning")


@dataclass(frozen=True, slots=True)
class Target:
    """What a statement writes to."""

    verb: str
    """`insert`, `update` or `delete`."""
    schema: str | None
    table: str
    alias: str
    """By what its columns are qualified: the alias, or else the table's own name."""


def targets(every: Sequence[Token]) -> Iterator[tuple[Target, int]]:
    """Every table that the text writes to, with the place of what follows its name."""
    for at, token in enumerate(every[:-1]):
        after = every[at + 1]
        if token.is_word("insert") and after.is_word("into"):
            verb, start = "insert", at + 2
        elif token.is_word("delete") and after.is_word("from"):
            verb, start = "delete", at + 2
        elif token.is_word("update") and not (at and every[at - 1].is_word("for", "do", "on", "key")):
            verb, start = "update", at + 1
        else:
            continue
        while start < len(every) and every[start].is_word("only"):
            start += 1
        named, end = names(every, start)
        if not 1 <= len(named) <= 3:
            continue
        alias = named[-1]
        if end < len(every) and every[end].is_sign("*"):
            end += 1
        other = end + 1 if end < len(every) and every[end].is_word("as") else end
        if other < len(every) and every[other].kind in (Kind.WORD, Kind.NAME):
            said = other > end or not every[other].is_word(*_NOT_AN_ALIAS)
            alias, end = (every[other].text, other + 1) if said else (alias, end)
        if verb != "update" or (end < len(every) and every[end].is_word("set")):
            yield Target(verb, named[-2] if len(named) > 1 else None, named[-1], alias), end


def names(every: Sequence[Token], at: int) -> tuple[list[str], int]:
    """The identifiers with dots between that begin here, and where they end; none that is in `U&""`."""
    found: list[str] = []
    while at < len(every) and every[at].kind in (Kind.WORD, Kind.NAME) and every[at].told:
        found.append(every[at].text)
        at += 1
        if at >= len(every) or not every[at].is_sign("."):
            return found, at
        at += 1
    return [], at


def split(part: Sequence[Token], *words: str) -> list[list[Token]]:
    """The tokens between commas, or between these words, outside of all brackets."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in part:
        depth += token.kind is Kind.SIGN and (token.text in "([{") - (token.text in ")]}")
        if not depth and (token.is_word(*words) if words else token.is_sign(",")):
            found.append([])
        else:
            found[-1].append(token)
    return found


def upto(every: Sequence[Token], at: int, *words: str) -> int:
    """Where the first of these words stands outside of brackets, or what ends the statement."""
    depth = 0
    for position in range(at, len(every)):
        token = every[position]
        if token.kind is Kind.SIGN:
            depth += (token.text in "([{") - (token.text in ")]}")
            if depth < 0 or (not depth and token.text == ";"):
                return position
        elif not depth and token.is_word(*words):
            return position
    return len(every)


def bracketed(part: Sequence[Token]) -> bool:
    """Whether one pair of brackets is around all of it."""
    return len(part) > 1 and part[0].is_sign("(") and upto(part, 1) == len(part) - 1


def equal(part: Sequence[Token]) -> tuple[list[Token], list[Token]] | None:
    """The two sides of `=`, where there is one outside of brackets and no other operator made of it."""
    depth = 0
    for at, token in enumerate(part):
        if token.kind is not Kind.SIGN:
            continue
        depth += (token.text in "([{") - (token.text in ")]}")
        if not depth and token.text == "=":
            beside = [each for each in part[max(0, at - 1) : at + 2] if each.kind is Kind.SIGN]
            if any(each.text in "<>!=~@#%^&|`?*/" and each is not token for each in beside):
                return None
            return list(part[:at]), list(part[at + 1 :])
    return None
