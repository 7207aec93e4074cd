"""What sampled keys add to a guess and take from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fkexplorer.inference.infer import candidates, infer
from fkexplorer.inference.model import CatalogueEvidence, Guess, Inclusion
from fkexplorer.orphans.history import pair_of
from tests.inference.build import NOTHING, Making, codes, inferred, said

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def sampled(keys: int, present: int, **others: Any) -> Inclusion:  # noqa: ANN401
    """A sample."""
    return Inclusion(keys, present, NOW, **others)


def with_data(made: Making, *found: Inclusion) -> list[Guess]:
    """The guesses once these samples, one for each candidate in order, are known."""
    schema = made.schema()
    keys = [pair_of(guess.edge) for guess in candidates(schema, NOTHING)]
    assert len(keys) == len(found)
    return list(infer(schema, NOTHING, dict(zip(keys, found, strict=True))).guesses)


def one(of: str, *, column: str = "user_id", table: str = "users") -> Making:
    """One pair of columns of this type."""
    made = Making()
    made.table(table, key=(f"id:{of}",))
    made.table("orders", f"{column}:{of}")
    return made


@pytest.mark.parametrize(
    ("of", "sample", "code", "text"),
    [
        ("int", sampled(1000, 1000), "contained", "every one of 1,000 sampled keys is there"),
        ("int", sampled(40, 40, whole=True), "contained", "every one of 40 keys is there"),
        ("int", sampled(19, 19), "says_little", "every one of 19 sampled keys is there, which so few numbers would be"),
        ("int", sampled(500, 500, also_in=1), "says_little", "is there, as in another table"),
        ("int", sampled(500, 500, also_in=3), "says_little", "is there, as in 3 other tables"),
        ("int", sampled(1000, 985), "mostly", "985 of 1,000 sampled keys are there"),
        ("int", sampled(1000, 700), "leaky", "700 of 1,000 sampled keys are there"),
        ("text", sampled(1000, 700), "leaky_text", "700 of 1,000 sampled keys are there"),
        ("int", sampled(1000, 300), "absent", "300 of 1,000 sampled keys are there"),
        ("int", sampled(1000, 3), "far_away", "3 of 1,000 sampled keys are there"),
        ("uuid", sampled(3, 3), "uuid_contained", "every one of 3 sampled keys is there"),
        ("uuid", sampled(2, 2), "contained", "every one of 2 sampled keys is there"),
        ("uuid", sampled(1, 1), "contained", "the only sampled key is there"),
        ("int", sampled(0, 0, problem="permission denied"), "not_read", "not looked up: permission denied"),
    ],
)
def test_what_a_sample_says(of: str, sample: Inclusion, code: str, text: str) -> None:
    made = one(of)
    schema = made.schema()
    (before,) = inferred(made).guesses
    (draft,) = candidates(schema, NOTHING)
    found = infer(schema, NOTHING, {pair_of(draft.edge): sample}).guesses
    after = found[0] if found else None
    if code in ("absent", "far_away"):
        assert after is None
        return
    assert after is not None
    assert after.inclusion == sample
    (said_of_data,) = [each for each in after.reasons if each.code == code]
    assert text in said_of_data.text
    assert after.score == pytest.approx(min(1, before.score + said_of_data.points), abs=0.002)


def test_a_sample_of_nothing_says_nothing() -> None:
    made = one("int")
    (before,) = inferred(made).guesses
    (after,) = with_data(made, sampled(0, 0))
    assert (after.score, codes(after)) == (before.score, codes(before))


def test_a_leaky_but_true_name_survives() -> None:
    made = Making()
    made.table("planes", key=("tailnum:text",))
    made.table("flights", "tailnum:text")
    (guess,) = with_data(made, sampled(1000, 850))
    assert guess.shown
    assert "850 of 1,000 sampled keys are there" in {each.text for each in guess.reasons}


def test_a_good_name_falls_with_its_keys() -> None:
    assert with_data(one("int"), sampled(1000, 4)) == []
    assert with_data(one("text"), sampled(1000, 0)) == []


def test_data_decides_between_two() -> None:
    made = Making()
    made.table("a.users")
    made.table("b.users")
    made.table("c.orders", "user_id")
    found = with_data(made, sampled(900, 20), sampled(900, 900))
    (guess,) = found
    assert made.schema().parent_of(guess.edge).schema == "b"
    assert guess.shown


def test_each_kind_of_a_column_has_its_own_sample() -> None:
    made = Making()
    made.table("users")
    table = made.table("comments", "owner_id", "owner_type:text")
    evidence = CatalogueEvidence(kinds={(table.oid, 3): ("App\\User", "User")})
    schema = made.schema()
    keys = {guess.edge.only.value: pair_of(guess.edge) for guess in candidates(schema, evidence) if guess.edge.only}
    samples = {keys["App\\User"]: sampled(900, 900), keys["User"]: sampled(900, 2)}
    (kept,) = infer(schema, evidence, samples).guesses
    assert said(schema, kept) == "comments(owner_id) -> users(id) [owner_type=App\\User]"
    assert kept.inclusion == samples[keys["App\\User"]]


def test_keys_that_no_name_tells_of_are_looked_up() -> None:
    made = Making()
    made.table("airports", "faa_name:text", key=("faa:text",))
    made.table("airlines", key=("carrier:text",))
    made.table("flights", "dest:text", "distance")
    schema = made.schema()
    names = [said(schema, guess) for guess in candidates(schema, NOTHING)]
    assert names == [
        "airports(faa_name) -> airlines(carrier)",
        "flights(dest) -> airlines(carrier)",
        "flights(dest) -> airports(faa)",
    ]
    (guess,) = with_data(made, sampled(900, 0), sampled(100, 0), sampled(100, 100))
    assert said(schema, guess) == "flights(dest) -> airports(faa)"
    assert guess.shown
    assert with_data(made, sampled(900, 0), sampled(2, 0), sampled(2, 2)) == []
    assert inferred(made).guesses == ()


def test_a_few_candidates_of_each_column_at_most() -> None:
    made = Making()
    for number in range(30):
        made.table(f"s{number}.users")
    made.table("x.orders", "user_id")
    assert 1 < len(candidates(made.schema(), NOTHING)) <= 4
