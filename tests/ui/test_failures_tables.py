"""The Failures page's tables: what each cell says, and what can be pressed."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from ui import failures_tables as tables

ABC = ("a", "b", "c")
MATRIX = np.array([[8, 2, 0], [0, 9, 1], [4, 0, 6]])
VARIANTS = {"gn": "Group norm", "ln": "Layer norm"}


def pressed(html: str) -> list[str]:
    return re.findall(r'data-pick="([^"]*)"[^>]*aria-pressed="true"', html)


def test_only_mistakes_and_headings_can_be_pressed():
    html = tables.confusion_table(MATRIX, class_names=ABC)
    assert sorted(re.findall(r'data-pick="([^"]*)"', html)) == sorted(
        ["0-1", "1-2", "2-0", "0-", "1-", "2-", "-0", "-1", "-2"]
    )
    assert 'aria-label="c taken for a: 4"' in html
    assert '<td class="right" title="8 right">8</td>' in html
    assert pressed(html) == []


def test_shades_compare_mistakes_only():
    html = tables.confusion_table(MATRIX, class_names=ABC)
    assert re.findall(r'--share:([\d.]+)"><button[^>]*data-pick="(\S+)"', html) == [
        ("0.500", "0-1"),
        ("0.250", "1-2"),
        ("1.000", "2-0"),
    ]


def test_the_filter_is_marked_in_the_matrix():
    def marked(selected: tuple[int | None, int | None]) -> list[str]:
        return pressed(tables.confusion_table(MATRIX, class_names=ABC, selected=selected))

    assert marked((2, 0)) == ["2-0"]
    assert marked((0, None)) == ["0-", "0-1"]
    assert marked((None, 2)) == ["-2", "1-2"]


def test_a_perfect_matrix_has_no_mistake_to_press():
    html = tables.confusion_table(np.diag([3, 4, 5]), class_names=ABC)
    assert re.findall(r'data-pick="\d-\d"', html) == []


def who(num_seeds: dict[str, int]) -> str:
    frame = pd.DataFrame(
        {"index": [7], "target": [1], "gn": [2], "gn_predicted": [0], "ln": [0], "ln_predicted": -1}
    )
    return tables.who_fails_table(
        frame, variants=VARIANTS, num_seeds=num_seeds, images=None, class_names=ABC
    )


def test_one_seed_shows_what_the_image_was_taken_for():
    frame = pd.DataFrame(
        {"index": [7], "target": [1], "gn": [1], "gn_predicted": [0], "ln": [0], "ln_predicted": -1}
    )
    html = tables.who_fails_table(
        frame,
        variants=VARIANTS,
        num_seeds={"gn": 1, "ln": 1},
        images=np.zeros((8, 28, 28), np.uint8),
        class_names=ABC,
    )
    assert 'title="Group norm: taken for a">a</td>' in html
    assert '<td class="none" title="Layer norm: right">·</td>' in html
    assert 'data-pick="7"' in html and html.count("<img") == 1


def test_several_seeds_show_how_many_fail():
    html = who({"gn": 4, "ln": 4})
    assert 'title="Group norm: taken for a (fails in 2 of 4 seeds)">2/4</td>' in html
    assert "--share:0.500" in html


def test_overlap_cells():
    frame = pd.DataFrame(
        [
            ("gn", "gn", 30, 40, 0.75, 2),
            ("gn", "ln", 10, 40, 0.25, 1),
            ("ln", "gn", 0, 0, np.nan, 1),
            ("ln", "ln", np.nan, np.nan, np.nan, 0),
        ],
        columns=["row", "column", "both", "either", "jaccard", "pairs"],
    )
    html = tables.overlap_table(frame, variants=VARIANTS)
    assert re.findall(r">([^<>]+)</td>", html) == ["0.75", "0.25", "–", "–"]
    assert "both fail on 30 of 40 images where one fails (means over 2 pairs of runs)" in html
    assert 'title="neither fails on any image"' in html and 'title="one seed only"' in html


@pytest.mark.parametrize("table", ["who", "overlap"])
def test_headings_are_names_as_in_charts_and_wide_enough_to_be_read(table):
    own = "My very first norm of all, which learned with half the rate"
    variants = {"gn": "Group norm", "bn_l1": "Batch norm + L1", "gn_57d17a84": own}
    if table == "who":
        record = {"index": 7, "target": 1} | dict.fromkeys(variants, 0)
        html = tables.who_fails_table(
            pd.DataFrame([record]),
            variants=variants,
            num_seeds=dict.fromkeys(variants, 1),
            images=None,
            class_names=ABC,
        )
    else:
        pairs = [(row, column, 1, 2, 0.5, 1) for row in variants for column in variants]
        columns = ["row", "column", "both", "either", "jaccard", "pairs"]
        html = tables.overlap_table(pd.DataFrame(pairs, columns=columns), variants=variants)
    head = html.partition("</thead>")[0]
    assert re.findall(r"<span>(.*?)</span>", head) == ["Group", "Batch + L1", own]
    few, _, most = (float(width) for width in re.findall(r";width:([\d.]+)em", head))
    assert few < most == 9
    assert head.count("overflow-wrap:anywhere") == 3


def test_probabilities_mark_the_true_label():
    frame = pd.DataFrame(
        {
            "variant": ["ln"] * 3,
            "class": ABC,
            "probability": [0.9, 0.004, 0.096],
            "is_target": [False, False, True],
        }
    )
    html = tables.probability_table(frame, variants=VARIANTS, class_names=ABC)
    assert "Layer norm" in html and "Group norm" not in html
    assert 'style="overflow-wrap:anywhere">Layer norm</th>' in html
    assert re.findall(r'class="shade"[^>]*>([^<>]*)</td>', html) == ["90 %", "", "10 %"]
    assert re.findall(r"--accent:(#\w+)", html) == [tables.WRONG, tables.WRONG, tables.RIGHT]
