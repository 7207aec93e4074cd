"""Which columns hold secrets, told by their names alone: a value is masked before anybody has seen it."""

from __future__ import annotations

import itertools
import re

# One word of a name, in snake_case, camelCase or kebab-case; a run of capitals is one word ("APIKey" is API, Key).
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\WA-Z_\d]+|\d+")
_MARKING_TEXT = """
token tokens secret secrets password passwords passwd pwd passphrase passcode hash hashes cookie cookies
credential credentials apikey apikeys privatekey salt otp totp jwt
"""
_MARKING = frozenset(_MARKING_TEXT.split())
_SECRET_PAIRS = frozenset(
    {("api", "key"), ("private", "key"), ("access", "key"), ("encryption", "key"), ("signing", "key")}
)
_SECRET_ENDINGS = ("token", "tokens", "secret", "password", "passwd", "hash", "cookie", "apikey", "privatekey")
# What follows or goes before a secret's name where the column is about it and
# doesn't hold it: token_expires_at, max_tokens.
_ABOUT_AFTER_TEXT = """
at on by date time count type kind id ids expires expiry expiration ttl algorithm algo length version status
enabled required name used limit size
"""
_ABOUT_AFTER = frozenset(_ABOUT_AFTER_TEXT.split())
_ABOUT_BEFORE = frozenset({"is", "has", "needs", "requires", "max", "min", "num", "total", "count", "n"})


def is_secret(column_name: str) -> bool:
    """Whether a column of this name is taken to hold a secret, as `session_token` or `apiKey`."""
    words = [word.lower() for word in _WORD.findall(column_name)]
    if not words or words[-1] in _ABOUT_AFTER or words[0] in _ABOUT_BEFORE:
        return False
    if any(word in _MARKING or word.endswith(_SECRET_ENDINGS) for word in words):
        return True
    singular = [word.removesuffix("s") for word in words]
    return any(pair in _SECRET_PAIRS for pair in itertools.pairwise(singular))
