"""The pictures in the repository are what the app shows."""

from __future__ import annotations

import pytest

from tests.screenshots import FOLDER, SHOTS, Shot, take


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
async def test_picture_is_what_the_app_shows(shot: Shot, demo_url: str) -> None:
    shown = await take(shot, demo_url)
    # Compared without pytest's own diff: of two SVGs it takes 15 s and says nothing.
    same = shown == (FOLDER / f"{shot.name}.svg").read_text(encoding="utf-8")
    assert same, "the app looks different now: look at it, then run python -m tests.screenshots"


def test_no_picture_is_left_over() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.svg")) == sorted(shot.name for shot in SHOTS)
