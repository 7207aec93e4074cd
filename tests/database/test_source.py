"""Sources: which place wins, what forms are taken, and that no password is ever shown; libpq's parser is the judge."""

from __future__ import annotations

import string
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fkexplorer.database.model import Trouble
from fkexplorer.database.source import Source, find_source

_URL = "postgresql://ann:s3cret@db.example/app"


@pytest.mark.parametrize(
    ("url", "option", "environ", "conninfo", "origin"),
    [
        ("postgresql://a/x", "postgresql://b/y", {"DATABASE_URL": "postgresql://c/z"}, "postgresql://a/x", "argument"),
        (None, "postgresql://b/y", {"DATABASE_URL": "postgresql://c/z"}, "postgresql://b/y", "--database"),
        (None, None, {"DATABASE_URL": "postgresql://c/z"}, "postgresql://c/z", "$DATABASE_URL"),
        (None, None, {"PGHOST": "h"}, "", "libpq environment"),
        (None, None, {"DATABASE_URL": ""}, "", "libpq environment"),
        ("", None, {"DATABASE_URL": "postgresql://c/z"}, "postgresql://c/z", "$DATABASE_URL"),
        ("  \n", " ", {}, "", "libpq environment"),
    ],
)
def test_the_first_that_is_given_wins(
    url: str | None, option: str | None, environ: dict[str, str], conninfo: str, origin: str
) -> None:
    source = find_source(url, option, environ)
    assert (source.conninfo, source.origin) == (conninfo, origin)


@pytest.mark.parametrize(
    ("given_url", "conninfo"),
    [
        ("postgres://h/d", "postgres://h/d"),
        ("POSTGRESQL://h/d", "postgresql://h/d"),
        ("postgresql+psycopg://h/d", "postgresql://h/d"),
        ("postgresql+asyncpg://u:p@h:6000/d?sslmode=require", "postgresql://u:p@h:6000/d?sslmode=require"),
        ("postgresql+psycopg2://h/d", "postgresql://h/d"),
        ("postgres+pg8000:///d", "postgres:///d"),
        (" postgresql://h/d\n", "postgresql://h/d"),
        ("host=h dbname=d", "host=h dbname=d"),
        ("service=prod", "service=prod"),
        (
            "postgresql://a:1,b:2/d?target_session_attrs=read-write&options=-c%20geqo%3Doff",
            "postgresql://a:1,b:2/d?target_session_attrs=read-write&options=-c%20geqo%3Doff",
        ),
    ],
)
def test_forms(given_url: str, conninfo: str) -> None:
    source = find_source(given_url, None, {})
    assert source.conninfo == conninfo
    conninfo_to_dict(source.conninfo)


@pytest.mark.parametrize(
    "url", ["mysql://u:s3cret@h/d", "sqlite:///file.db", "mysql+pymysql://u:s3cret@h/d", "https://h/?password=s3cret"]
)
def test_other_databases_are_not_there_yet(url: str) -> None:
    with pytest.raises(Trouble) as caught:
        find_source(url, None, {})
    assert caught.value.code == "unsupported"
    assert "only PostgreSQL is supported" in caught.value.reason
    assert "s3cret" not in caught.value.reason + caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "app",
        "=x",
        "host",
        "host=h password",
        "host='h password=s3cret",
        "postgresql://u:s3@cret@h/d",
        "postgresql://u:s3cret@h:54x/d",
        "postgresql://u:s3/cret@h/d",
        "postgresql://u:12/s3cret@h/d",
        "postgresql://u:s3cret%@h/d",
        "postgresql://u:s3cret%00@h/d",
        "postgresql://u:s3cret@[::1/d",
        "postgresql://u:s3cret@h/d?sslmode",
        "postgresql://u:s3cret@h/d?a=b=c",
        "postgresql://u:s3cret@h/d?sslmod=require",
        "dbname=postgresql://u:s3cret@h/d",
        "jdbc:postgresql://h/d",
    ],
)
def test_malformed(url: str) -> None:
    with pytest.raises(Trouble) as caught:
        find_source(url, None, {})
    assert caught.value.code == "malformed_url"
    assert "cret" not in caught.value.reason + caught.value.hint
    assert "s3" not in caught.value.reason + caught.value.hint


def test_a_misspelt_parameter_is_named() -> None:
    with pytest.raises(Trouble) as caught:
        find_source("postgresql://h/d?sslmod=require", None, {})
    assert (caught.value.reason, caught.value.hint) == (
        "the database URL has the parameter sslmod, which libpq does not know",
        "is it sslmode?",
    )


@pytest.mark.parametrize(
    ("conninfo", "label"),
    [
        ("", "libpq environment"),
        (_URL, "ann@db.example/app"),
        ("postgresql://db.example:5433/app", "db.example:5433/app"),
        ("postgresql://h1:5432,h2:5433/app", "h1,h2:5433/app"),
        ("postgresql://[2001:db8::7]:6000/app", "[2001:db8::7]:6000/app"),
        ("postgresql:///app?host=/tmp/x&user=ann", "ann@[local]/app"),
        ("postgresql://%2Ftmp%2Fx/app", "[local]/app"),
        ("host=a,b port=6000 user=ann dbname=app", "ann@a:6000,b:6000/app"),
        ("hostaddr=10.0.0.7 dbname=app", "10.0.0.7/app"),
        ("service=prod", "service prod"),
        ("service=prod user=ann", "ann@service prod"),
        ("dbname=app", "[local]/app"),
        ("user='a b' dbname='it\\'s'", "a b@[local]/it's"),
        ("dbname='a\nb\x1b[31m'", "[local]/a b\\x1b[31m"),
        ("postgresql://h/d?password=s3cret", "h/d"),
        ("host=h password='s3 cret' dbname=d", "h/d"),
        ("host='", "?"),
    ],
)
def test_label(conninfo: str, label: str) -> None:
    assert Source(conninfo, "argument").label() == label


@pytest.mark.parametrize(
    ("conninfo", "masked"),
    [
        ("", ""),
        (_URL, "postgresql://ann:***@db.example/app"),
        ("postgresql://ann@db.example/app", "postgresql://ann@db.example/app"),
        ("postgresql://ann:@db.example/app", "postgresql://ann:@db.example/app"),
        ("postgresql://ann:a%40b@h/d?sslpassword=x&sslmode=require&password=y", None),
        ("postgresql://h/d?pass%77ord=s3cret", "postgresql://h/d?pass%77ord=***"),
        (
            "host=h password='it\\'s a secret' sslpassword = x passfile=/p",
            "host=h password=*** sslpassword = *** passfile=/p",
        ),
        ("host=h PASSWORD=s3cret", "host=h PASSWORD=***"),
        ("password=a\\ b host=h", "password=*** host=h"),
        ("host=h scram_client_key=k oauth_client_secret=o", "host=h scram_client_key=*** oauth_client_secret=***"),
        ("host=h password='s3cret", "***"),
        ("postgresql://u:s3@cret@h/d", "***"),
    ],
)
def test_masked(conninfo: str, masked: str | None) -> None:
    expected = masked or (
        "" if not conninfo else "postgresql://ann:***@h/d?sslpassword=***&sslmode=require&password=***"
    )
    assert Source(conninfo, "argument").masked() == expected


def test_repr_has_no_password() -> None:
    source = Source(_URL, "$DATABASE_URL")
    assert repr(source) == str(source) == "Source('postgresql://ann:***@db.example/app', '$DATABASE_URL')"


_WORDS = st.text(string.ascii_letters + string.digits + " @:/?#%&='\\,[]ü☃\"", min_size=1, max_size=12)
# No piece of the password occurs in anything else, so that finding one is proof.
_PASSWORDS = st.text("♠♥♦♣@:/?#%&='\\ ,[]\"", min_size=1, max_size=12).map(lambda text: f"♠{text}♥")
_HOSTS = st.lists(st.sampled_from(["h", "db.example", "10.0.0.7", "/run/x"]), min_size=1, max_size=3)


def _shows(text: str, password: str) -> bool:
    return any(piece in text for piece in ("♠", "♥", quote("♠"), quote("♥"), password))


@given(
    _WORDS,
    _PASSWORDS,
    _HOSTS,
    _WORDS.filter(lambda name: "://" not in name),
    st.booleans(),
    st.sampled_from(["postgresql", "postgres+asyncpg"]),
)
def test_a_url_is_read_as_libpq_reads_it(  # noqa: PLR0917
    user: str, password: str, hosts: list[str], database: str, in_query: bool, scheme: str
) -> None:
    place = ",".join(quote(host, safe="") for host in hosts)
    secret = quote(password, safe="")
    userinfo = quote(user, safe="") if in_query else f"{quote(user, safe='')}:{secret}"
    query = f"?password={secret}&sslpassword={secret}" if in_query else "?sslmode=prefer"
    source = find_source(f"{scheme}://{userinfo}@{place}/{quote(database, safe='')}{query}", None, {})
    given_to_libpq = conninfo_to_dict(source.conninfo)
    assert given_to_libpq["password"] == password
    assert not _shows(source.masked() + source.label() + repr(source), password)
    masked = conninfo_to_dict(source.masked())
    assert masked == {
        key: "***" if key in ("password", "sslpassword") else value for key, value in given_to_libpq.items()
    }


@given(_WORDS, _PASSWORDS, _HOSTS, _WORDS.filter(lambda name: "://" not in name))
def test_a_keyword_string_is_read_as_libpq_reads_it(user: str, password: str, hosts: list[str], database: str) -> None:
    conninfo = make_conninfo(
        user=user, password=password, host=",".join(hosts), dbname=database, sslpassword=password, port=5432
    )
    source = find_source(conninfo, None, {})
    assert source.conninfo == conninfo.strip()
    assert not _shows(source.masked() + source.label() + repr(source), password)
    masked, given_to_libpq = conninfo_to_dict(source.masked()), conninfo_to_dict(conninfo)
    assert masked == {**given_to_libpq, "password": "***", "sslpassword": "***"}


@given(st.text(string.printable + "é", max_size=40) | st.text("pg:/@?=&%'\\[] ,ahostuserpassword0", max_size=60))
@example("postgresql://u:p?q@h/d")
@example("postgresql://h?user=a@b")
@example("host = h  user=\\ x")
def test_what_is_taken_libpq_reads_too_and_alike(text: str) -> None:
    """Whatever is typed: it is a Trouble of one line, or libpq finds the same password where it is masked."""
    text = text.replace("\0", "")
    source, trouble = None, None
    try:
        source = find_source(text, None, {})
    except Trouble as caught:
        trouble = caught
    if trouble is not None:
        assert trouble.code in ("malformed_url", "unsupported")
        assert "\n" not in trouble.reason + trouble.hint
    if source is None:
        return
    try:
        given_to_libpq = conninfo_to_dict(source.conninfo)
    except (psycopg.Error, UnicodeError):
        return
    masked = conninfo_to_dict(source.masked())
    for key, value in given_to_libpq.items():
        hidden = "***" if value and key in ("password", "sslpassword", "scram_client_key") else value
        assert masked[key] == hidden
