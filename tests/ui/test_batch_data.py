"""Company, answers and charts of the Batch mates page, as frames, words and specifications."""

import numpy as np
import pandas as pd
import pytest

from core.config import VARIANTS
from core.data.datasets import get_dataset
from core.training.runs import SHIPPED_DIR, read_run, run_path
from ui import charts_batch as charts
from ui.batch_choice import MAX_MATES, parse_mates
from ui.batch_data import (
    ALONE,
    ONE_CLASS,
    OWN,
    RANDOM,
    STORED,
    Company,
    answers_frame,
    answers_sentence,
    answers_table,
    change_words,
    condition_labels,
    mates_strip,
    moved_words,
    offered,
    proof_sentence,
    sizes_frame,
    swapped_pictures,
)

TARGETS = np.arange(200) % 10


def company(own: tuple[int, ...] = (), keys=("gn", "bn_l1")) -> Company:
    runs = {key: read_run(run_path(SHIPPED_DIR, "digits", key, 1), SHIPPED_DIR) for key in keys}
    images = np.zeros((200, 28, 28), np.uint8)
    about = (get_dataset("digits"), 20, int(TARGETS[20]), images[20])
    return Company(*about, 1, runs, images, TARGETS, 3, own)


def logits(winner: int) -> np.ndarray:
    return np.eye(10, dtype=np.float32)[winner] * 8


def answers(found: Company, **winners: int) -> pd.DataFrame:
    """Everybody says 0, but batch norm what `winners` says of a condition."""
    conditions = [STORED, *found.mates()]
    return answers_frame(
        found,
        {
            (key, condition): logits(winners.get(condition, 0) if key in found.batch_norm else 0)
            for key in found.runs
            for condition in conditions
        },
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("3", (3,)),
        (" 3, 17 ,200\n", (3, 17, 200)),
        ("3 17", (3, 17)),
        ("3,3,17,3", (3, 17)),
        ("-1", None),
        ("360", None),
        ("3;4", None),
        ("1e3", None),
        ("٣", None),
        ("9" * 5_000, None),
        (",".join(map(str, range(MAX_MATES))), tuple(range(MAX_MATES))),
        (",".join(map(str, range(MAX_MATES + 1))), None),
    ],
)
def test_mates_are_a_list_of_numbers(text, found):
    assert parse_mates(text, 359) == found


def test_mates_are_drawn_once_and_never_the_image_itself():
    found = company(own=(1, 2))
    mates = found.mates()
    assert list(mates) == [ALONE, RANDOM, ONE_CLASS, OWN]
    assert [len(m) for m in mates.values()] == [0, 63, 20, 2]
    assert all(20 not in m and len(set(m)) == len(m) for m in mates.values())
    assert set(TARGETS[mates[ONE_CLASS]]) == {3}
    assert np.array_equal(mates[RANDOM], company().mates()[RANDOM])
    assert len(found.others(0)) == 19  # the image itself is a 0
    assert set(TARGETS[mates[RANDOM]]) == set(range(10))


def test_labels_say_how_many():
    assert condition_labels(company()) == {
        STORED: "running statistics",
        ALONE: "alone in the batch",
        RANDOM: "with 63 random mates",
        ONE_CLASS: "with 20 mates of class 3",
    }
    assert condition_labels(company(own=(7,)))[OWN] == "with your 1 mate"


def test_the_frame_says_who_moved():
    found = company()
    frame = answers(found, one_class=3)
    assert len(frame) == 2 * 4
    moved = frame[frame["change"] > 0]
    assert moved[["variant", "condition"]].to_numpy().tolist() == [["bn_l1", ONE_CLASS]]
    [row] = moved.to_dict("records")
    assert (row["predicted"], row["right"], row["change"], row["num_mates"]) == ("3", False, 8, 20)
    assert row["true_probability"] == pytest.approx(1 / (np.exp(8) + 9))


def test_the_sentence_names_what_changed_and_what_did_not():
    found = company()
    said = answers_sentence(found, answers(found, alone=8, one_class=3))
    assert said == (
        "**Batch norm + L1 sees a 0 with its running statistics, but alone in the batch an 8, with "
        "20 mates of class 3 a 3.**"
    )
    assert "No batch-norm network changes its mind" in answers_sentence(found, answers(found))
    without = company(keys=("gn",))
    assert "no batch-norm network" in answers_sentence(without, answers(without))


def test_the_proof_covers_group_and_layer_norm_only():
    found = company()
    assert "over the same 3 batches: no logit moves at all" in proof_sentence(
        found, answers(found, alone=8)
    )
    only_batch = company(keys=("bn_l1",))
    assert proof_sentence(only_batch, answers(only_batch)) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (0.0, "no logit moves at all"),
        (1.9e-6, "no logit moves by more than 1.9e-06, which is float32 rounding"),
        (0.3, "a logit moves by 0.30"),
    ],
)
def test_more_than_rounding_is_not_called_rounding(change, words):
    assert moved_words(change) == words
    assert change_words(change) in {"0", "1.9e-06", "0.30"}


def test_the_table_has_a_cell_per_answer_and_the_true_label_below_a_wrong_one():
    found = company()
    html = answers_table(found, answers(found, alone=8))
    assert html.count('class="shade"') == 2 * 4
    assert html.count("✗ 8, &gt; 99 %") == html.count("<small>0: &lt; 1 %</small>") == 1
    assert html.count("✓") == 7 and "<td>8.00</td>" in html and "<td>0</td>" in html


def test_chosen_mates_are_pressed_and_never_out_of_sight():
    found = company(own=(11, 13))
    indices = offered(found, 5)
    assert indices == [11, 3, 13, 23, 33, 43]  # 13 is a 3 like the others, 11 is not
    html = mates_strip(found, indices)
    assert html.count('aria-pressed="true"') == 2 and html.count("<img") == 6
    assert 'alt="test image 11, a 1"' in html


def test_pictures_of_a_swap_say_what_they_are():
    html = swapped_pictures(company(), [4, 5], "Coming instead")
    assert 'alt="Coming instead: test image 4, a 4"' in html and "5 · 5" in html


def row(size: int, kind: str = "random", accuracy: float = 90.0) -> dict:
    ends = {"low_percent": accuracy - 1, "high_percent": accuracy + 1}
    counts = {"kind": kind, "size": size, "num_batches": 4, "num_images": 4 * size}
    return {**counts, "accuracy_percent": accuracy, **ends, "max_change": 0.0}


def test_the_size_chart_draws_both_kinds_with_their_intervals():
    frame = sizes_frame(
        {
            "gn": {"sizes": [row(1), row(2)]},
            "bn_l1": {"sizes": [row(1, accuracy=9), row(2), row(1, "one_class", 10)]},
        }
    )
    assert len(frame) == 5 and set(frame["variant"]) == {"gn", "bn_l1"}
    spec = charts.sizes_chart(frame, seed=1).to_dict()
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["rule", "line", "point"]
    line = spec["layer"][1]["encoding"]
    assert line["x"]["scale"]["type"] == "log" and "%" in line["y"]["title"]
    assert line["strokeDash"]["scale"]["domain"] == ["random mates", "mates of one class"]
    legend = line["strokeDash"]["legend"]
    dash, gap = charts.DASHES["mates of one class"]
    assert legend["orient"] == "bottom", "beside the variants a phone has no room"
    assert legend["symbolSize"] ** 0.5 > dash + gap, "one dash alone looks like a line"
    said = charts.sizes_alt(frame)
    assert "Batch norm + L1 with random mates 9.0 % at 1 and 90.0 % at 2" in said
    assert "Batch norm + L1 with mates of one class 10.0 % at 1." in said


def test_the_recovery_chart_draws_what_cannot_be_estimated_across():
    base = {"num_draws": 5, "num_images": 10, "low_percent": 1.0, "high_percent": 99.0}
    frame = pd.DataFrame(
        [
            {"variant": "bn_l1", "count": 0, "accuracy_percent": 10.0, **base},
            {"variant": "bn_l1", "count": 64, "accuracy_percent": 95.0, **base},
            {"variant": "gn", "count": 0, "accuracy_percent": 60.0, **base},
        ]
    )
    spec = charts.recovery_chart(frame, shift="Rotation 30 °", seed=1).to_dict()
    [rows] = spec["datasets"].values()
    drawn = {(r["variant"], r["count"], r["estimated"]) for r in rows}
    assert drawn == {
        ("bn_l1", 0, True),
        ("bn_l1", 64, True),
        ("gn", 0, False),
        ("gn", 64, False),
    }
    assert "Batch norm + L1 10.0 % at 0 and 95.0 % at 64; Group norm 60.0 % at 0." in (
        charts.recovery_alt(frame)
    )


def test_every_published_variant_has_a_norm_the_page_knows():
    assert [k for k, v in VARIANTS.items() if v.norm == "batch"] == ["bn_l1", "bn_l1_l2"]
