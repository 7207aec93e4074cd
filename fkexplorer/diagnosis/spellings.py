"""Other spellings of a key that is text: case, spaces, invisible characters, Unicode forms, zeros, forms of a uuid."""

from __future__ import annotations

import re
import unicodedata

_UUID = re.compile(r"\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?", re.IGNORECASE)
_DIGITS = re.compile("[0-9]{1,18}")
_WIDEST = 12
"""Digits that a number is filled up to with zeros, of those that are met in keys."""


def spellings(text: str) -> list[str]:
    """What the same key may be written as elsewhere, without the text itself; the nearest first.

    That can be looked up in an index. What is stored in yet another mixture of cases is found by reading alone.
    """
    bare = visible(text).strip()
    found = [bare, text.strip()]
    for each in (text, bare):
        found += [each.lower(), each.upper(), each.title(), each.capitalize()]
        found += [unicodedata.normalize(form, each) for form in ("NFC", "NFD", "NFKC")]
        found += [f"{each} ", f" {each}", f"{each}\n"]
    if match := _UUID.fullmatch(bare):
        dashed = "-".join(match.groups()).lower()
        plain = dashed.replace("-", "")
        found += [form for one in (dashed, plain, f"{{{dashed}}}") for form in (one, one.upper())]
    if _DIGITS.fullmatch(bare):
        number = bare.lstrip("0") or "0"
        found += [number.zfill(width) for width in range(len(number), _WIDEST + 1)]
    return [each for each in dict.fromkeys(found) if each and each != text]


def visible(text: str) -> str:
    """The text without characters that nobody sees: zero-width ones, marks of direction."""
    return "".join(each for each in text if unicodedata.category(each) != "Cf")


def plain_uuid(text: str) -> str | None:
    """The 32 digits of a uuid in any form, in lower case; None where it is none."""
    match = _UUID.fullmatch(visible(text).strip())
    return "".join(match.groups()).lower() if match else None


def plain_number(text: str) -> str | None:
    """A number without leading zeros; None where it is none."""
    bare = visible(text).strip()
    return (bare.lstrip("0") or "0") if _DIGITS.fullmatch(bare) else None


def difference(one: str, other: str) -> str:
    """In what two spellings of a key differ, in a few words."""
    found = []
    if one.strip() != one or other.strip() != other:
        found.append("spaces around it")
    one, other = one.strip(), other.strip()
    if visible(one) != one or visible(other) != other:
        found.append("characters that are not seen")
    one, other = visible(one), visible(other)
    composed = [unicodedata.normalize("NFKC", each) for each in (one, other)]
    if one.casefold() != other.casefold() and composed[0].casefold() == composed[1].casefold():
        found.append("how its letters are composed (Unicode)")
    one, other = composed
    if one != other and plain_uuid(one) is not None and plain_uuid(one) == plain_uuid(other):
        if one.strip("{}").replace("-", "") != other.strip("{}").replace("-", ""):
            found.append("the case of its letters")
        if (one.strip("{}") != one) != (other.strip("{}") != other) or ("-" in one) != ("-" in other):
            found.append("the form of the uuid")
    elif one != other and one.casefold() == other.casefold():
        found.append("the case of its letters")
    elif one != other and plain_number(one) is not None and plain_number(one) == plain_number(other):
        found.append("leading zeros")
    return " and ".join(found) or "its spelling"
