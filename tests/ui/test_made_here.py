"""Names, colours and shapes of variants beyond the six."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config import VARIANT_LABELS, Recipe, Variant
from core.training.request import variant_key
from core.training.runs import Run
from tests.ui.test_charts import BACKGROUNDS, contrast
from ui.charts import legend_room, variant_label_expression, variant_legend
from ui.made_here import describe, register
from ui.palette import MORE_COLORS, MORE_SHAPES, VARIANT_COLORS, VARIANT_SHAPES


def run(per_group: int, *, title: str = "", created: str = "", **settings: float) -> Run:
    recipe = Recipe(**settings)
    plain = Variant("custom", "group", channels_per_group=per_group)
    variant = Variant(variant_key(plain, recipe), "group", channels_per_group=per_group)
    name = f"digits/{variant.key}/seed-1"
    info = {"recipe": vars(recipe), "created": created}
    return Run(Path(name), name, "digits", 1, "done", variant, info=info, title=title)


def key(found: Run) -> str:
    assert found.variant
    return found.variant.key


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "Group norm (4 channels per group)"),
        ({"learning_rate": 0.05}, "Group norm (4 channels per group, learning rate 0.05)"),
        ({"step_size": 2}, "Group norm (4 channels per group, × 0.1 every 2 epochs)"),
        (
            {"batch_size": 32, "rotation_degrees": 0.0},
            "Group norm (4 channels per group, batches of 32, rotation up to ±0°)",
        ),
    ],
)
def test_a_variant_is_described_by_what_is_unusual(settings, said):
    assert describe(run(4, **settings)) == said


def test_another_recipe_is_not_taken_for_the_published_variant():
    fast = run(2, learning_rate=0.05)
    register([fast])
    assert VARIANT_LABELS[key(fast)] == "Group norm (learning rate 0.05)"
    assert VARIANT_LABELS["gn"] == "Group norm"


def test_a_title_is_the_name_only_where_no_other_variant_has_it():
    one, four = run(1, title="Narrow"), run(4, title="Wide")
    register([one, four])
    assert [VARIANT_LABELS[key(one)], VARIANT_LABELS[key(four)]] == ["Narrow", "Wide"]
    one, four = run(1, title="Mine"), run(4, title="Mine")
    register([one, four, run(2, title="Group norm", momentum=0.5)])
    assert VARIANT_LABELS[key(one)] == "Group norm (1 channel per group)"
    assert "Group norm (momentum 0.5)" in VARIANT_LABELS.values()


def test_colours_go_by_age_and_stay_when_a_run_is_deleted():
    old, new = run(4, created="2026-01-01"), run(1, created="2026-02-01")
    register([new, old])
    register([new])
    assert VARIANT_COLORS[key(old)] == MORE_COLORS[0]
    assert VARIANT_COLORS[key(new)] == MORE_COLORS[1]
    register([new, run(1, created="2025-01-01", momentum=0.5)])
    assert VARIANT_COLORS[key(new)] == MORE_COLORS[1]


def test_many_variants_differ_in_colour_or_shape():
    many = [run(1, momentum=number / 100) for number in range(40)]
    register(many)
    marks = {(VARIANT_COLORS[key(one)], VARIANT_SHAPES[key(one)]) for one in many}
    assert len(marks) == len(many)
    assert len({shape for _, shape in marks}) == len(MORE_SHAPES)


def test_a_look_that_is_taken_is_not_given_again():
    VARIANT_COLORS["added"], VARIANT_SHAPES["added"] = MORE_COLORS[0], MORE_SHAPES[0]
    one = run(4)
    register([one])
    assert (VARIANT_COLORS[key(one)], VARIANT_SHAPES[key(one)]) == (MORE_COLORS[1], MORE_SHAPES[1])


@pytest.mark.parametrize("background", BACKGROUNDS.values(), ids=BACKGROUNDS)
@pytest.mark.parametrize("color", MORE_COLORS)
def test_they_can_be_seen_on_both_themes(color, background):
    assert contrast(color, background) >= 3


def test_a_legend_holds_the_shown_variants_only_and_long_names_in_two_lines():
    wide = run(4)
    register([wide])
    assert variant_legend(["ln", "gn"]).to_dict()["values"] == ["gn", "ln"]
    legend = variant_legend(["gn", key(wide)]).to_dict()
    assert (legend["values"], legend["columns"]) == (["gn", key(wide)], 2)
    assert '["Group norm", "4 channels per group"]' in variant_label_expression()
    assert legend_room(["gn", "ln"]) == 0 < legend_room([*list(VARIANT_COLORS)])
