"""All numbers that a score is made of, in one place, since they were found by measuring and not by thinking.

A score is the sum of the points of its reasons, between 0 and 1. `SHOWN` and `SUGGESTED` are what they add up to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.inference.model import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

POINTS: Mapping[str, float] = {
    # What the names say: one of these, the highest.
    "name_of_table": 0.55,  # user_id, users
    "name_with_context": 0.66,  # ticket_notes.status_id, ticket_statuses; more than `GAP` above name_of_table
    "name_with_prefix": 0.66,  # ci_builds.runner_id, ci_runners
    "name_without_prefix": 0.50,  # user_id, app_users
    "end_of_name": 0.50,  # primary_workspace_id, workspaces
    "abbreviation": 0.48,  # dept_no, departments
    "shortened": 0.30,  # a word that only begins like it
    "end_of_table": 0.35,  # member_id, workspace_members
    "glued": 0.50,  # userid, users
    "bare_name": 0.45,  # course bigint, courses
    "bare_with_context": 0.56,  # partners.title bigint, partner_titles
    "bare_end": 0.46,  # answer_concept bigint, concepts
    "bare_text": 0.25,  # country text, countries
    "same_as_key": 0.50,  # playerID, People.playerID
    "same_as_plain_key": 0.40,  # tailnum, planes.tailnum
    "end_is_key": 0.45,  # sold_date_sk, date_dim.d_date_sk
    "self": 0.50,  # parent_id
    "above": 0.50,  # order_payments.parent_id, orders
    "actor": 0.45,  # author_id, created_by
    "extension_by_name": 0.30,  # user_profiles.id, users.id
    "same_table_elsewhere": 0.30,  # public.users.id, auth.users.id
    "declared_alone": 0.35,  # nothing but that the same column is declared elsewhere
    "joined_alone": 0.35,
    "comment_alone": 0.40,
    "unnamed": 0.0,  # keys that may be there, and no name says so
    "whole_key": 0.55,  # all columns of a key, one of which is named like its table
    "whole_plain_key": 0.35,  # all columns of a key, none of which is
    "whole_link": 0.15,  # all columns of a key that itself only links others
    "kind": 0.60,  # commentable_type = 'Post', posts
    # What else the catalogue says.
    "same_type": 0.20,
    "comparable": 0.15,
    "castable": 0.05,
    "incomparable": -0.20,
    "same_schema": 0.10,
    "only_one": 0.05,
    "indexed": 0.05,
    "not_null": 0.02,
    "declared_elsewhere": 0.15,
    "declared_often": 0.25,
    "joined": 0.20,
    "comment": 0.10,
    "no_default": 0.15,
    "own_default": -0.25,
    "own_key": -0.15,
    "own_end": -0.05,
    "other_key_word": -0.20,
    "external": -0.35,
    "regular": 0.20,
    "shared": 0.10,
    "as_declared": 0.05,
    "unlike_declared": -0.10,
    # What the data says.
    "contained": 0.25,
    "uuid_contained": 0.35,
    "only_there": 0.45,  # of a pair that no name tells of
    "mostly": 0.15,
    "leaky": -0.10,
    "leaky_text": 0.10,
    "absent": -0.40,
    "far_away": -0.60,
    "says_little": 0.0,
    "not_read": 0.0,
}
"""Points by `Reason.code`."""

GAP = 0.10
"""Parents that are as near as this to the best one are as likely."""
WORTH = 0.30
"""Guesses of less than this without data are not worth a look at it."""
EXTERNAL_MOST = 0.30
"""What a column can have at most whose name says that its key comes from another system."""
PER_COLUMN = 4
"""Guesses of one column whose data is worth a look."""
UNNAMED = 12
"""Keys of one type that a column may be looked up in though no name says so."""


def reason(code: str, text: str) -> Reason:
    """The reason of this code, with its points."""
    return Reason(code, text, POINTS[code])
