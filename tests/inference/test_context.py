"""Guesses from names that the table around them explains: its own name's words, roles without a break, other rows."""

from __future__ import annotations

import pytest

from fkexplorer.inference.model import CatalogueEvidence
from tests.inference.build import Making, codes, only, shown, suggested


def test_the_last_words_are_of_the_childs_own_family_first() -> None:
    made = Making()
    made.table("topics")
    made.table("forum_topics")
    made.table("forum_categories", "last_topic_id")
    assert shown(made) == ["forum_categories(last_topic_id) -> forum_topics(id)"]


def test_a_relative_that_has_such_a_column_too_is_one_more_child() -> None:
    made = Making()
    made.table("uploads")
    made.table("user_uploads", "upload_id")
    made.table("user_avatars", "custom_upload_id")
    assert shown(made) == [
        "user_avatars(custom_upload_id) -> uploads(id)",
        "user_uploads(upload_id) -> uploads(id)",
    ]


def test_a_word_alone_with_a_table_of_what_it_can_be() -> None:
    made = Making()
    made.table("partner_title")
    made.table("partner", "title", "state")
    assert shown(made) == ["partner(title) -> partner_title(id)"]
    assert "bare_with_context" in codes(only(made))


def test_a_word_alone_is_not_of_a_table_that_has_it_too() -> None:
    made = Making()
    made.table("persons", "language!")
    made.table("languages")
    made.table("person_languages", "language!", "level")
    assert shown(made) == [
        "person_languages(language) -> languages(id)",
        "persons(language) -> languages(id)",
    ]


def test_a_table_of_links_that_is_called_by_what_it_links() -> None:
    made = Making()
    for name in ("auth_group", "auth_user", "auth_permission"):
        made.table(name)
    made.table("blog_task_groups", "group_id")
    assert shown(made) == ["blog_task_groups(group_id) -> auth_group(id)"]


@pytest.mark.parametrize(("column", "found"), [("uid", True), ("uid:text", False), ("oauth_uid:text", False)])
def test_a_number_called_uid_is_a_users(column: str, *, found: bool) -> None:
    made = Making()
    made.table("users")
    made.table("visits", column)
    assert suggested(made) == (["visits(uid) -> users(id)"] if found else [])


@pytest.mark.parametrize(
    ("column", "found"), [("targetuserid", True), ("relateduserid", True), ("superuserid", False), ("lastrunid", False)]
)
def test_a_role_without_a_break(column: str, *, found: bool) -> None:
    made = Making()
    made.table("users")
    made.table("runs_of_it")
    made.table("thanks", column)
    assert suggested(made) == ([f"thanks({column}) -> users(id)"] if found else [])


def test_a_parent_by_a_word_that_no_table_has() -> None:
    made = Making()
    made.table("stops", "parent_station", "parent_count", "root_path:text", "next_run_id:text")
    assert shown(made) == ["stops(parent_station) -> stops(id)"]


def test_a_parent_by_the_name_of_another_table() -> None:
    made = Making()
    made.table("items", key=("itemid",))
    made.table("item_links", "parent_itemid")
    assert shown(made) == ["item_links(parent_itemid) -> items(itemid)"]


def test_a_type_is_no_row_of_the_table() -> None:
    made = Making()
    made.table("product", "fk_product_type", "fk_product_parent")
    assert shown(made) == ["product(fk_product_parent) -> product(id)"]


def test_a_representative_is_one_of_the_people() -> None:
    made = Making()
    made.table("employees")
    made.table("sales", "sales_rep_id")
    assert shown(made) == ["sales(sales_rep_id) -> employees(id)"]


def test_where_keys_are_text_a_text_may_be_one() -> None:
    made = Making()
    made.table("users", key=("id:text",))
    made.table("posts", "published_by:text", key=("id:text",))
    assert shown(made) == ["posts(published_by) -> users(id)"]
    made.table("tags")
    made.table("notes")
    assert shown(made) == []


def test_a_parent_may_be_what_the_table_is_named_after() -> None:
    made = Making()
    made.table("orders")
    made.table("order_payments", "parent_id")
    assert suggested(made) == [
        "order_payments(parent_id) -> order_payments(id)?",
        "order_payments(parent_id) -> orders(id)?",
    ]
    made.table("order_categories", "parent_id")
    assert shown(made) == ["order_categories(parent_id) -> order_categories(id)"]


def test_a_unique_column_is_the_primary_key_of_that_name_elsewhere() -> None:
    made = Making()
    made.table("chembl_lookup", key=("chembl_id",))
    made.table("docs", "chembl_id", unique=("chembl_id",))
    made.table("assays", "chembl_id")
    assert shown(made) == [
        "assays(chembl_id) -> chembl_lookup(chembl_id)",
        "docs(chembl_id) -> chembl_lookup(chembl_id)",
    ]


def test_of_several_tables_of_one_key_the_one_that_is_named_like_it_has_it() -> None:
    made = Making()
    made.table("entity_registry", key=("entity_id",))
    made.table("names_of_all", key=("entity_id",))
    made.table("prices", "entity_id")
    assert shown(made) == [
        "names_of_all(entity_id) -> entity_registry(entity_id)",
        "prices(entity_id) -> entity_registry(entity_id)",
    ]


def test_a_key_that_begins_like_its_table_is_the_tables_own() -> None:
    made = Making()
    for name in ("target_keys", "target_users", "target_components"):
        made.table(name, "component_id" if name == "target_components" else "note:text")
    made.table("component_sequences", key=("component_id",))
    made.table("sites", "component_id")
    assert shown(made) == [
        "sites(component_id) -> component_sequences(component_id)",
        "target_components(component_id) -> component_sequences(component_id)",
    ]


def test_two_tables_of_one_key_that_both_name_a_part_of_it() -> None:
    made = Making()
    for name in ("diagnoses_icd", "procedures_icd"):
        made.table(name, key=("visit_no", "icd_code"))
    assert suggested(made) == []


def test_prefixes_behind_a_prefix_of_all_tables() -> None:
    made = Making()
    for name in ("act_ru_tasks", "act_ru_jobs", "act_re_deployments", "act_re_models"):
        made.table(name)
    made.table("act_ru_runs", "deployment_id")
    assert shown(made) == ["act_ru_runs(deployment_id) -> act_re_deployments(id)"]


def test_a_common_word_behind_the_tables_own_prefix_is_no_table_with_another_prefix() -> None:
    made = Making()
    for name in ("shop_orders", "shop_items", "shop_carts"):
        made.table(name)
    made.table("zones", "zone_name:text", "zone_order", key=("zone_id",))
    assert shown(made) == []


def test_the_key_beside_its_type_may_end_in_to() -> None:
    made = Making()
    made.table("users")
    table = made.table("assets", "assigned_to", "assigned_type:text")
    evidence = CatalogueEvidence(kinds={(table.oid, 3): ("App\\Models\\User",)})
    assert shown(made, evidence) == ["assets(assigned_to) -> users(id) [assigned_type=App\\Models\\User]"]


def test_of_several_tables_of_one_key_the_dictionary_has_it() -> None:
    made = Making()
    for name in ("molecule_dictionary", "structures", "properties_of_it"):
        made.table(name, key=("molreg_id",))
    assert shown(made) == [
        "properties_of_it(molreg_id) -> molecule_dictionary(molreg_id)",
        "structures(molreg_id) -> molecule_dictionary(molreg_id)",
    ]


def test_a_tables_own_key_without_its_prefix_is_not_of_another_table() -> None:
    made = Making()
    for name in ("jos_users", "jos_kunena_topics", "jos_kunena_messages"):
        made.table(name)
    made.table("jos_messages", key=("message_id",))
    assert suggested(made) == []
