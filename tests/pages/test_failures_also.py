"""The filter "Also fails in": what it leaves, and how the address names it."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS
from tests.pages.test_failures import choose, failed, headings, open_page, tiles

ALSO = "chosen-also"

__all__ = ["open_page"]


def also(page: AppTest) -> list[str]:
    return page.multiselect(key=ALSO).value


def in_address(page: AppTest) -> list[str]:
    found = page.query_params.get("also", [])
    return sorted([found] if isinstance(found, str) else found)


def warnings(page: AppTest) -> list[str]:
    return [warning.value for warning in page.warning]


def test_also_and_only_fails_in(open_page, tmp_path):
    page = open_page(errors=150)
    root = tmp_path / "checkpoints"
    sets = {key: failed(root, key) for key in VARIANTS}
    page.multiselect(key=ALSO).set_value(["ln"]).run()
    assert headings(page)[0] == f"{len(sets['gn'] & sets['ln'])} of 150 failures"
    page.multiselect(key=ALSO).set_value(["ln", "no_other"]).run()
    alone = (sets["gn"] & sets["ln"]).difference(*(sets[key] for key in list(VARIANTS)[2:]))
    assert 0 < len(alone) < 60 and set(tiles(page)) == alone


@pytest.mark.parametrize("asked", [["ln", "no_other"], ["Layer norm", "no other variant"]])
def test_the_address_names_variants_by_their_keys_or_as_it_once_did(open_page, asked):
    page = open_page(errors=150, query={"also": asked})
    assert not page.exception and also(page) == ["ln", "no_other"] and not page.warning
    assert in_address(page) == ["ln", "no_other"]
    linked = tiles(page)
    page.multiselect(key=ALSO).set_value([]).run()
    page.multiselect(key=ALSO).set_value(["ln", "no_other"]).run()
    assert tiles(page) == linked and in_address(page) == ["ln", "no_other"]


@pytest.mark.parametrize("asked", ["vit*", "gn"])  # none at all, and the one whose failures show
def test_what_the_address_asks_for_in_vain_is_said_until_something_is_chosen(open_page, asked):
    page = open_page(errors=150, query={"also": [asked, "gn_l1"]})
    assert also(page) == in_address(page) == ["gn_l1"]
    words = asked.replace("*", "\\*")
    [said] = warnings(page)
    assert said.startswith(f"The address asks for images that also fail in {words}, which cannot")
    page.multiselect(key=ALSO).set_value(["ln"]).run()
    assert not page.warning and in_address(page) == ["ln"]


def test_nothing_known_in_the_address_filters_nothing(open_page):
    page = open_page(errors=20, query={"also": ["x", "y"]})
    assert not page.exception and len(tiles(page)) == 20 and in_address(page) == []
    assert "also fail in x, y, which" in warnings(page)[0]


def test_all_of_them_are_not_none_of_them(open_page):
    page = open_page(errors=150)
    every = [*list(VARIANTS)[1:], "no_other"]
    page.multiselect(key=ALSO).set_value(every).run()
    assert in_address(page) == sorted(every)
    page.multiselect(key=ALSO).set_value([]).run()
    assert in_address(page) == [] and headings(page)[0] == "All 150 failures"


def test_it_can_be_cleared(open_page):
    page = open_page(errors=150, query={"also": "ln"})
    page.button(key="clear").click().run()
    assert also(page) == in_address(page) == [] and headings(page)[0] == "All 150 failures"


def test_a_filter_survives_only_where_it_makes_sense(open_page):
    page = open_page(errors=150)
    page.multiselect(key=ALSO).set_value(["ln", "ln_l2"]).run()
    choose(page, "ln")
    assert not page.exception and page.multiselect(key=ALSO).value == ["ln_l2"]
    choose(page, "gn")
    assert not page.exception and page.multiselect(key=ALSO).value == ["ln_l2"]
