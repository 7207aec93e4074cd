"""English for table names: one of them, several of them, and which column name says nothing new."""

from __future__ import annotations

import re

_IRREGULAR = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "mice": "mouse",
    "feet": "foot",
    "indices": "index",
    "vertices": "vertex",
    "matrices": "matrix",
    "criteria": "criterion",
    "movies": "movie",
    "cookies": "cookie",
    "caches": "cache",
    "aliases": "alias",
    "biases": "bias",
    "canvases": "canvas",
    "gases": "gas",
    "quizzes": "quiz",
    "leaves": "leaf",
    "shelves": "shelf",
    "lives": "life",
    "heroes": "hero",
    "potatoes": "potato",
    "tomatoes": "tomato",
}
_KEEP = frozenset(
    [
        *("news", "series", "species", "lens", "sms", "gps", "dns", "os", "aws", "gas", "atlas", "alias", "bias"),
        *("canvas", "https", "css", "js"),
    ]
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words(name: str) -> list[str] | None:
    """The words of a name in lower case (`OrderItems`, `order_items`, `Order Items`); None for what is no English."""
    if not name.isascii() or re.search(r"[^A-Za-z0-9_ \-]", name):
        return None
    found = [word.lower() for word in _WORD.findall(name)]
    return found if found and found[-1].isalpha() and len(found[-1]) > 2 else None


def _one(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _KEEP or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    for ending, instead in (
        ("ies", "y"),
        ("sses", "ss"),
        ("shes", "sh"),
        ("ches", "ch"),
        ("xes", "x"),
        ("yses", "ysis"),
    ):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word.removesuffix(ending) + instead
    if word.endswith("uses") and not word.endswith(("ouses", "auses", "fuses")) and len(word) > 4:
        return word[:-2]
    return word[:-1]


def singular(name: str) -> str | None:
    """One row of a table, in words: `workspace_members` is `workspace member`; None where the name gives none."""
    parts = words(name)
    return None if parts is None else " ".join([*parts[:-1], _one(parts[-1])])


def one(name: str) -> str:
    """`workspace member`, or `row of t1`."""
    return singular(name) or f"row of {name}"


def several(name: str) -> str:
    """`workspace members`; `account rows` for a table named in the singular; `rows of t1`."""
    parts = words(name)
    if parts is None:
        return f"rows of {name}"
    return " ".join(parts) if _one(parts[-1]) != parts[-1] else " ".join([*parts, "rows"])


def article(phrase: str) -> str:
    """The phrase behind `a` or `an`."""
    vowel = phrase[:1].lower() in "aeiou" and not re.match(r"(?i)(uni|use|eu|one\b|uu|ut)", phrase)
    return f"{'an' if vowel or re.match(r'(?i)(hour|honest)', phrase) else 'a'} {phrase}"


def implied(column: str, parent: str, key: str) -> bool:
    """Whether a referencing column's name says no more than the table and the key that it refers to.

    `user_id`, `userId` and `users_id` for `users.id`; `org_id` for `orgs.org_id`.
    """
    plain = column.replace("_", "").lower()
    if plain == key.replace("_", "").lower():
        return key != "id"
    one_row = singular(parent) or parent
    return plain in {(start + key).replace("_", "").replace(" ", "").lower() for start in (parent, one_row)}
