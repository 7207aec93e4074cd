"""Names taken apart: every style, plurals that no rule makes, and words that only end like a key."""

from __future__ import annotations

import pytest

from fkexplorer.inference.words import abbreviates, meant, references, same, words


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("user_group_id", ["user", "group", "id"]),
        ("userGroupId", ["user", "group", "id"]),
        ("UserGroupID", ["user", "group", "id"]),
        ("user-group-id", ["user", "group", "id"]),
        ("Order Items", ["order", "items"]),
        ('say "hi"', ["say", "hi"]),
        ("HTTPServer", ["http", "server"]),
        ("teamIDwinner", ["team", "id", "winner"]),
        ("address2", ["address", "2"]),
        ("STRASSE_ID", ["strasse", "id"]),
        ("größeId", ["größe", "id"]),
        ("__", []),
    ],
)
def test_words_of_a_name(name: str, parts: list[str]) -> None:
    assert list(words(name)) == parts


PLURALS = (
    "people person,children child,data datum,indices index,indexes index,statuses status,addresses address,"
    "companies company,series series,classes class,boxes box,taxes tax,quizzes quiz,wolves wolf,leaves leaf,"
    "cases case,caches cache,databases database,aliases alias,viruses virus,campuses campus,bonuses bonus,"
    "canvases canvas,criteria criterion,matrices matrix,axes axis,news news,media medium,quotas quota,heroes hero,"
    "movies movie,cookies cookie,lenses lens,houses house,responses response,invoices invoice,feet foot"
)


@pytest.mark.parametrize("pair", PLURALS.split(","))
def test_a_word_and_its_plural_are_the_same(pair: str) -> None:
    plural, one = pair.split()
    assert same((plural,)) == same((one,))
    assert same(("order", plural)) == same((f"order{one}",))


@pytest.mark.parametrize(("one", "other"), [("plan", "plane"), ("user", "userx"), ("news", "new"), ("cost", "coast")])
def test_other_words_are_not(one: str, other: str) -> None:
    assert same((one,)) != same((other,))


@pytest.mark.parametrize(
    ("short", "long"), [("cust", "customers"), ("dept", "departments"), ("acct", "accounts"), ("org", "organisations"),
                        ("org", "organizations"), ("usr", "users"), ("emp", "employees"), ("repo", "repositories")]
)  # fmt: skip
def test_abbreviations_are_written_out(short: str, long: str) -> None:
    assert meant((short,)) == meant((long,))
    assert same((short,)) != same((long,))


def test_a_word_is_shortened_by_its_end_or_its_vowels() -> None:
    assert abbreviates("descr", "description")
    assert abbreviates("shpmnt", "shipment")
    assert not abbreviates("pa", "page")
    assert not abbreviates("part", "park")
    assert not abbreviates("ship", "shop")


@pytest.mark.parametrize(
    ("name", "stem", "key"),
    [
        ("user_id", "user", "id"),
        ("userUuid", "user", "uuid"),
        ("id_user", "user", "id"),
        ("fk_user", "user", "fk"),
        ("user_fk", "user", "fk"),
        ("country_code", "country", "code"),
        ("emp_no", "emp", "no"),
        ("date_sk", "date", "sk"),
        ("page_ptr_id", "page", "id"),
        ("address_id_2", "address", "id"),
        ("userid", "user", "id"),
        ("orderkey", "order", "key"),
        ("course", "course", ""),
    ],
)
def test_how_a_column_is_read(name: str, stem: str, key: str) -> None:
    first = references(name)[0]
    assert (" ".join(first.stem), first.key) == (stem, key)


def test_what_somebody_did_is_read_as_by() -> None:
    for name in ("created_by", "created_by_id", "createdBy", "create_uid"):
        assert references(name)[0].by
    assert not references("bypass_id")[0].by


@pytest.mark.parametrize("name", ["paid", "grid", "valid", "void"])
def test_words_that_end_like_a_key_are_not_sure(name: str) -> None:
    assert not any(each.sure for each in references(name))


def test_a_key_by_itself_has_no_stem() -> None:
    assert [each.stem for each in references("id")] == [(), ("id",)]
    assert references("42") == references("_") == () or references("_") == ()
