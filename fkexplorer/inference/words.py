"""Names taken apart into words: `UserGroups`, `user_group_id` and `fk-user-group` have two in common.

A word is compared by its singular, so that neither side has to be one. Everything is remembered, since names repeat.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

from fkexplorer.inference.vocabulary import ARRAY_WORDS, FIRST_WORDS, ID_WORDS, KEY_WORDS

_WORD = re.compile(r"[^\W\d_]+|\d+")
# `teamIDwinner` has an ID in it, and `APIDocs` has none.
_CAMEL = re.compile(
    r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])(?!(?<=[a-z]I)D[a-z]{2})|(?<=[a-z]ID)(?=[a-z]{2})"
)

_MIDDLE = ("id", "uuid", "fk")
"""Key words behind which some schemas tell a role."""
_GLUED = ("uuid", "guid", "code", "key", "id", "no", "sk", "fk")
"""Key words that stand at the end of a word, as in `userid`; the longest first."""

# Plurals, also of Latin and Greek, that the rules of the library do not know; each of them was tried.
_IRREGULAR = {
    "abuses": "abuse", "alumni": "alumnus", "appendices": "appendix", "atlases": "atlas",
    "axis": "axis", "bases": "base",
    "bonuses": "bonus", "bonus": "bonus", "caches": "cache", "campus": "campus", "campuses": "campus",
    "canvas": "canvas", "canvases": "canvas", "census": "census", "censuses": "census", "cookies": "cookie",
    "corpora": "corpus", "corpus": "corpus", "criteria": "criterion", "feet": "foot", "focus": "focus",
    "focuses": "focus", "gas": "gas", "gases": "gas", "geese": "goose", "leaves": "leaf", "lens": "lens",
    "lenses": "lens", "niches": "niche", "octopuses": "octopus", "radii": "radius", "radius": "radius",
    "stimuli": "stimulus", "stimulus": "stimulus", "virus": "virus", "viruses": "virus",
}  # fmt: skip

_SHORT = {
    "acc": "account", "acct": "account", "addr": "address", "adr": "address", "app": "application",
    "auth": "authentication", "cat": "category", "categ": "category", "cfg": "configuration", "config": "configuration",
    "conf": "configuration", "cust": "customer", "ctry": "country", "curr": "currency", "dept": "department",
    "dep": "department", "dest": "destination", "dev": "device", "dist": "district", "doc": "document",
    "emp": "employee", "env": "environment", "evt": "event", "franch": "franchise", "grp": "group", "img": "image",
    "inv": "invoice", "lang": "language", "lg": "league", "loc": "location", "mgr": "manager", "msg": "message",
    "notif": "notification", "org": "organization", "organisation": "organization", "perm": "permission",
    "pic": "picture", "prod": "product", "proj": "project", "pub": "publisher", "repo": "repository",
    "req": "request", "resp": "response", "sched": "schedule", "sess": "session", "spec": "specification",
    "stat": "status", "sub": "subscription", "subcat": "subcategory", "supp": "supplier", "tech": "technician",
    "temp": "template", "tmpl": "template", "txn": "transaction", "usr": "user", "veh": "vehicle", "whse": "warehouse",
    "wh": "warehouse", "ws": "workspace",
}  # fmt: skip
"""What people shorten, and to what."""


@cache
def words(name: str) -> tuple[str, ...]:
    """The words of a name in small letters: of snake, camel, Pascal and kebab case; numbers are words."""
    return tuple(part.lower() for piece in _WORD.findall(name) for part in _CAMEL.split(piece))


@cache
def singular(word: str) -> str:
    """A form that a word and its plural share; not always a word of English."""
    import inflection  # noqa: PLC0415 - only guessing wants it

    for irregular, one in _IRREGULAR.items():
        # Also behind another word, as in `orderstatuses`, unless it is so short that it is there by chance.
        if word == irregular or (len(irregular) > 3 and word.endswith(irregular)):
            return word.removesuffix(irregular) + one
    for _ in range(3):
        once = str(inflection.singularize(word))
        if once == word:
            break
        # `quotas` is `quota`, which the rules take for a plural of `quotum`: the same for both, if it goes on.
        word = once
    return word


@cache
def written_out(word: str) -> str:
    """What an abbreviation stands for, in the singular; the word's singular where it is none."""
    one = singular(word)
    return singular(_SHORT.get(word, _SHORT.get(one, one)))


@cache
def same(some: tuple[str, ...]) -> str:
    """What two names that mean the same have in common: `("order", "items")` and `("orderitem",)` do."""
    return "".join(map(singular, some))


@cache
def meant(some: tuple[str, ...]) -> str:
    """The same with abbreviations written out: `("cust",)` and `("customers",)` have it in common."""
    return "".join(map(written_out, some))


@cache
def abbreviates(short: str, long: str) -> bool:
    """Whether a word of three letters or more is another one without some: its beginning, or without its vowels."""
    if len(short) < 3 or len(long) < len(short) + 2 or short[0] != long[0]:
        return False
    if long.startswith(short):
        return True
    return short == long[0] + re.sub("[aeiou]", "", long[1:])


@dataclass(frozen=True, slots=True)
class Reference:
    """A column's name, read as one that refers to something."""

    stem: tuple[str, ...]
    """The words without the one that only tells that it is a key; empty where nothing else is there."""
    key: str = ""
    """That word, as `id`; empty where there is none."""
    glued: bool = False
    """It is the end of a word, as in `userid`: that may be chance, as in `paid`."""
    first: bool = False
    """It stands first, as in `id_user`."""
    after: tuple[str, ...] = ()
    """The words behind it, as `tech` in `users_id_tech`."""
    by: bool = False
    """It ends in `by`, as `created_by`: somebody who did something."""

    @property
    def sure(self) -> bool:
        """Whether the name says that it holds a key, and nothing else."""
        return self.key in ID_WORDS and not self.glued


@cache
def references(name: str) -> tuple[Reference, ...]:
    """The ways to read a column's name, the likeliest first; none for one without letters."""
    found: list[Reference] = []
    # `country1` and `address_id_2` are one of two countries and addresses, `table_1_id` may be of `table_1`.
    for some in dict.fromkeys((_unnumbered(words(name)), words(name))):
        found += _references(some)
        found += [replace(each, stem=_unnumbered(each.stem)) for each in found if each.stem != _unnumbered(each.stem)]
    return tuple(dict.fromkeys(found))


def _unnumbered(some: tuple[str, ...]) -> tuple[str, ...]:
    while len(some) > 1 and some[-1].isdigit():
        some = some[:-1]
    return some


def _references(all_words: tuple[str, ...]) -> list[Reference]:
    if not all_words or all(word.isdigit() for word in all_words):
        return []
    found: list[Reference] = []
    rest, last = all_words[:-1], all_words[-1]
    if last == "uid":
        # `create_uid` is the user who created it, `uid` alone is somebody.
        found.append(Reference(rest or ("user",), "id", by=True))
    elif last in KEY_WORDS:
        by = rest[-1:] == ("by",)
        # Django calls `page_ptr_id` the key of the table that a model inherits from.
        found.append(Reference(rest[:-1] if by or rest[-1:] == ("ptr",) else rest, last, by=by))
    elif all_words[0] in FIRST_WORDS and rest:
        found.append(Reference(all_words[1:], all_words[0], first=True))
    elif last == "by" and rest:
        found.append(Reference(rest, by=True))
    elif place := next((place for place, word in enumerate(rest) if word.endswith("id") and len(word) > 4), -1) + 1:
        # `triggerid_down`
        stem = (*rest[: place - 1], rest[place - 1].removesuffix("id"))
        found.append(Reference(stem, "id", glued=True, after=all_words[place:]))
    elif middle := next((place for place in range(1, len(rest)) if rest[place] in _MIDDLE), 0):
        found.append(Reference(rest[:middle], rest[middle], after=all_words[middle + 1 :]))
    elif end := next((end for end in _GLUED if last.endswith(end) and len(last) >= len(end) + 3), ""):
        found.append(Reference((*rest, last[: -len(end)]), end, glued=True))
    if not (found and found[0].by):
        # `zip_code` may be a table `zip_codes` too, and `order` one of its own.
        found.append(Reference(all_words))
    return found


@cache
def array_of(name: str) -> tuple[str, ...]:
    """The words of what an array called like this holds the keys of: `tag_ids` that of `tags`."""
    all_words = words(name)
    return all_words[:-1] if len(all_words) > 1 and all_words[-1] in ARRAY_WORDS | ID_WORDS else all_words
