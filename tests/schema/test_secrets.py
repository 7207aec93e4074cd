"""A column's name alone decides whether its values are masked."""

from __future__ import annotations

import pytest

from fkexplorer.schema.secrets import is_secret


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "tokens",
        "session_token",
        "sessionToken",
        "SESSION_TOKEN",
        "accesstoken",
        "secret",
        "client-secret",
        "mfaSecret",
        "password",
        "password1",
        "encrypted_password",
        "password_digest",
        "passwd",
        "api_key",
        "api_keys",
        "apiKey",
        "APIKey",
        "apikey",
        "hash",
        "refresh_token_hash",
        "pwHash",
        "private_key",
        "private_key_pem",
        "PrivateKey",
        "cookie",
        "auth_cookie",
    ],
)
def test_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "id",
        "key",
        "user_id",
        "tokenizer",
        "secretary",
        "token_expires_at",
        "token_type",
        "token_id",
        "api_key_id",
        "password_changed_at",
        "max_tokens",
        "is_secret",
        "hashtag",
        "author",
        "Ünï",
        "%",
    ],
)
def test_not_secret(name: str) -> None:
    assert not is_secret(name)
