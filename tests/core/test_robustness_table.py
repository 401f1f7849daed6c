"""The robustness table: means, intervals, ranks, and a LaTeX file that compiles."""

from __future__ import annotations

import itertools
import math
import re

import pandas as pd
import pytest

from core.analysis.metrics import mean_interval, wilson_interval
from core.analysis.robustness import COLUMNS, reported_severity
from core.analysis.robustness_table import (
    CLEAN,
    MNIST_C_MEAN,
    TABLE_COLUMNS,
    describe_severity,
    escape_latex,
    robustness_table,
    row_label,
    summarize_seeds,
    to_latex,
)
from core.data.corruptions import CORRUPTIONS

MNIST_C = [key for key, kind in CORRUPTIONS.items() if kind.family == "mnist_c"]
LABELS = {"gn": "Group norm", "ln": "Layer norm", "bn_l1": "Batch norm + L1"}


def frame(*rows: tuple[str, float, str, int, int], num_images: int = 200) -> pd.DataFrame:
    """Rows of (corruption, severity, variant, seed, errors)."""
    return pd.DataFrame(
        [
            (key, at, variant, seed, num_images, errors, 100 * (1 - errors / num_images), 0.5)
            for key, at, variant, seed, errors in rows
        ],
        columns=list(COLUMNS),
    )


def whole(variant: str, seed: int, errors: int, keys=tuple(CORRUPTIONS)) -> list[tuple]:
    """A run with `errors` at every reported severity and 1 on clean images."""
    reported = [(key, reported_severity(key), variant, seed, errors) for key in keys]
    return [*((key, CORRUPTIONS[key].neutral, variant, seed, 1) for key in keys), *reported]


def test_one_seed_has_wilsons_interval_and_several_have_students():
    rows = [("blur", 1.0, "gn", 1, 10), *(("blur", 1.0, "ln", s, 100 + s) for s in (1, 2, 3))]
    gn, ln = summarize_seeds(frame(*rows)).to_dict("records")
    assert (gn["num_seeds"], ln["num_seeds"], ln["num_images"]) == (1, 3, 200)
    low, high = wilson_interval(10, 200)
    assert (gn["low_percent"], gn["high_percent"]) == pytest.approx((100 * low, 100 * high))
    found = (ln["accuracy_percent"], ln["low_percent"], ln["high_percent"])
    assert found == pytest.approx(mean_interval([49.5, 49, 48.5]))


def test_intervals_stay_between_0_and_100():
    rows = [("blur", 1.0, "gn", 1, 0), ("blur", 1.0, "gn", 2, 200)]
    (found,) = summarize_seeds(frame(*rows)).to_dict("records")
    assert (found["low_percent"], found["high_percent"]) == (0, 100)


def test_the_table_has_clean_images_first_and_the_mean_of_mnist_c_last():
    table = robustness_table(frame(*whole("gn", 1, 40), *whole("ln", 1, 20)))
    assert list(table.columns) == TABLE_COLUMNS
    order = list(dict.fromkeys(table["corruption"]))
    assert order == [CLEAN, *CORRUPTIONS, MNIST_C_MEAN]
    assert len(table) == 2 * len(order)
    clean = table[table["corruption"] == CLEAN]
    assert clean["accuracy_percent"].tolist() == [99.5, 99.5] and clean["severity"].isna().all()
    assert clean["rank"].tolist() == [1, 1]
    blur = table[table["corruption"] == "blur"]
    assert blur["severity"].tolist() == [reported_severity("blur")] * 2
    assert blur["rank"].tolist() == [2, 1]


def test_equal_counts_in_another_order_share_a_rank():
    errors = {"gn": (26, 20, 31), "ln": (20, 31, 26), "bn_l1": (31, 26, 21)}
    rows = [
        row
        for variant, counts in errors.items()
        for seed, count in enumerate(counts, start=1)
        for row in whole(variant, seed, count, ["blur"])
    ]
    table = robustness_table(frame(*rows, num_images=360))
    assert table[table["corruption"] == "blur"]["rank"].tolist() == [1, 1, 3]


def test_other_severities_do_not_count():
    rows = [*whole("gn", 1, 40, ["blur"]), ("blur", 0.25, "gn", 1, 3)]
    table = robustness_table(frame(*rows))
    assert table["accuracy_percent"].tolist() == [99.5, 80]


def test_the_mean_of_mnist_c_is_over_runs_that_have_all_of_it():
    half = MNIST_C[: len(MNIST_C) // 2]
    rows = [
        *(row for seed in (1, 2) for row in whole("gn", seed, 99 + seed, MNIST_C)),
        *whole("ln", 1, 20, MNIST_C),
        *whole("bn_l1", 1, 20, half),
    ]
    table = robustness_table(frame(*rows))
    gn, ln = table[table["corruption"] == MNIST_C_MEAN].to_dict("records")
    found = (gn["accuracy_percent"], gn["low_percent"], gn["high_percent"])
    assert found == pytest.approx(mean_interval([50, 49.5]))
    assert ln["variant"] == "ln" and ln["accuracy_percent"] == 90 and ln["rank"] == 1
    assert math.isnan(ln["low_percent"]) and math.isnan(ln["high_percent"])


def test_an_empty_frame_gives_an_empty_table():
    assert list(robustness_table(frame()).columns) == TABLE_COLUMNS
    assert robustness_table(frame()).empty


def test_rows_are_named_with_severity_and_unit():
    assert row_label("rotation") == "Rotation, 30 °"
    assert row_label("thickness") == "Stroke thickness, −1 px"
    assert row_label(CLEAN) == "Clean test images"
    assert describe_severity(CORRUPTIONS["mnist_c_fog"], 5) == "Fog (MNIST-C), level 5"
    assert describe_severity(CORRUPTIONS["mnist_c_zigzag"], 1) == "Zigzag (MNIST-C)"
    labels = [row_label(key) for key in CORRUPTIONS]
    assert len(set(labels)) == len(labels)


def test_latex_by_hand():
    keys = ["rotation"]
    table = robustness_table(frame(*whole("gn", 1, 40, keys), *whole("bn_l1", 1, 20, keys)))
    found = to_latex(table, LABELS, "Accuracy & more, 100 %", "tab:robustness-digits")
    lines = found.splitlines()
    assert lines[:2] == [r"% needs \usepackage{booktabs}", r"\begin{table}"]
    assert lines[-1] == r"\end{table}"
    caption = lines.index(r"\caption{Accuracy \& more, 100 \%}")
    assert lines[caption + 1] == r"\label{tab:robustness-digits}"
    assert r"\begin{tabular}{lrr}" in lines and r"\toprule" in lines
    heads = r"\shortstack[r]{Group\\norm} & \shortstack[r]{Batch\\norm\\+~L1}"
    assert rf"Accuracy (\%) & {heads} \\" in lines
    means = lines.index(r"Rotation, 30 $^\circ$ & 80.0 & 90.0 \\")
    assert lines[means + 1] == r" & {\tiny [73.9, 85.0]} & {\tiny [85.1, 93.4]} \\"
    assert "textbf" not in found, "the highest need not be a resolved difference"


def test_latex_is_balanced_and_plain_and_each_row_has_every_column():
    rows = [row for key in LABELS for seed in (1, 2) for row in whole(key, seed, 40 + seed)]
    found = to_latex(robustness_table(frame(*rows)), LABELS, "MNIST; 95 % {intervals}", "tab:x")
    assert found.isascii()
    braces = re.sub(r"\\[{}]", "", found)
    depths = list(itertools.accumulate((c == "{") - (c == "}") for c in braces))
    assert min(depths) == 0 == depths[-1]
    opened: list[str] = []
    for what, name in re.findall(r"\\(begin|end)\{(\w+)\}", found):
        assert what == "begin" or opened.pop() == name
        opened += [name] * (what == "begin")
    assert not opened
    body = found.partition(r"\toprule")[2].partition(r"\bottomrule")[0]
    cells = [line.count(" & ") for line in body.splitlines() if line.endswith(r"\\")]
    assert len(cells) == 1 + 2 * (len(CORRUPTIONS) + 2) and set(cells) == {len(LABELS)}


def test_what_is_unknown_is_a_dash_in_latex():
    rows = [*whole("gn", 1, 40, MNIST_C), *whole("ln", 1, 20, MNIST_C[:1])]
    lines = to_latex(robustness_table(frame(*rows)), LABELS, "", "tab:x").splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("Mean of MNIST-C"))
    assert lines[place] == r"Mean of MNIST-C & 80.0 & -- \\"
    assert lines[place + 1] == r"\bottomrule", "one seed has no interval of this mean"


def test_every_special_sign_is_escaped():
    assert escape_latex("−1 px, 0.5 ×, 30 °") == r"$-$1 px, 0.5 $\times$, 30 $^\circ$"
    assert escape_latex("a_b & 5 % #1 $x {y} ~ ^ \\") == (
        r"a\_b \& 5 \% \#1 \$x \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
