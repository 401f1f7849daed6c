"""Accuracy under corruptions as a table, corruption × variant, and the table as LaTeX. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.analysis.metrics import half_width, mean_interval, wilson_interval
from core.analysis.robustness import reported_severity
from core.data.corruptions import CORRUPTIONS, Corruption

CLEAN = "clean"
MNIST_C_MEAN = "mnist_c_mean"
SUMMARY_COLUMNS = [
    *("corruption", "severity", "variant", "num_seeds", "num_images"),
    *("accuracy_percent", "low_percent", "high_percent"),
]
TABLE_COLUMNS = [*SUMMARY_COLUMNS, "rank"]
LATEX_ESCAPES = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "×": r"$\times$",
        "°": r"$^\circ$",
        "–": "--",
        "−": "$-$",
    }
)


def summarize_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per corruption, severity and variant of a `curves_frame`.

    `SUMMARY_COLUMNS`: the mean over the seeds with its 95 % interval (Student's t, cut off at 0 and
    100 %); for one seed Wilson's interval over the images.
    """
    keys = ["corruption", "severity", "variant"]
    found = (
        frame.groupby(keys, sort=False)
        .agg(
            num_seeds=("seed", "size"),
            num_images=("num_images", "first"),
            errors=("errors", "first"),
            accuracy_percent=("accuracy_percent", "mean"),
            std=("accuracy_percent", "std"),
        )
        .reset_index()
    )
    step = 100 / found["num_images"].to_numpy()
    half = half_width(found["std"].to_numpy(), found["num_seeds"].to_numpy(), step)
    low, high = found["accuracy_percent"] - half, found["accuracy_percent"] + half
    single = found["num_seeds"] == 1
    counts = zip(found["errors"], found["num_images"], strict=True)
    wilson = 100 * np.array([wilson_interval(*pair) for pair in counts]).reshape(-1, 2)
    found["low_percent"] = low.clip(lower=0).where(~single, wilson[:, 0])
    found["high_percent"] = high.clip(upper=100).where(~single, wilson[:, 1])
    return found[SUMMARY_COLUMNS]


def robustness_table(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per corruption and variant of a `curves_frame`, columns `TABLE_COLUMNS`.

    First `CLEAN`, whose severity is NaN; then every corruption at its `reported_severity`; last, of
    the runs for which all of MNIST-C is known, `MNIST_C_MEAN`, the mean over its corruptions
    without clean images. The interval of that mean is NaN for one seed, since its images are the
    same again and again. `rank` orders the variants by accuracy, 1 being the highest; equal
    accuracies share a rank, and a better rank need not be a resolved difference.
    """
    neutral = frame["corruption"].map(lambda key: CORRUPTIONS[key].neutral)
    reported = frame["corruption"].map(reported_severity)
    clean = frame[frame["severity"] == neutral].drop_duplicates(["variant", "seed"])
    parts = [
        summarize_seeds(clean.assign(corruption=CLEAN, severity=0.0)).assign(severity=math.nan),
        summarize_seeds(frame[frame["severity"] == reported]),
    ]
    parts.append(_mnist_c_mean(frame[frame["severity"] == reported]))
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    # Equal counts in another order give means that differ in the last digit.
    accuracy = table["accuracy_percent"].round(9)
    ranks = accuracy.groupby(table["corruption"]).rank(ascending=False, method="min")
    order = [CLEAN, *CORRUPTIONS, MNIST_C_MEAN]
    table = table.assign(rank=ranks.astype(int), order=table["corruption"].map(order.index))
    return table.sort_values("order", kind="stable", ignore_index=True)[TABLE_COLUMNS]


def _mnist_c_mean(frame: pd.DataFrame) -> pd.DataFrame:
    names = [key for key, kind in CORRUPTIONS.items() if kind.family == "mnist_c"]
    rows = frame[frame["corruption"].isin(names)]
    runs = rows.groupby(["variant", "seed"], sort=False).agg(
        accuracy_percent=("accuracy_percent", "mean"),
        known=("corruption", "nunique"),
        num_images=("num_images", "first"),
    )
    found = []
    for variant, group in runs[runs["known"] == len(names)].groupby("variant", sort=False):
        mean, low, high = mean_interval(group["accuracy_percent"].to_list())
        # A comparison with NaN is false, so that the interval of one seed stays NaN.
        ends = (low if not low < 0 else 0.0, high if not high > 100 else 100.0)
        num_images = int(group["num_images"].iloc[0])
        found.append((MNIST_C_MEAN, math.nan, variant, len(group), num_images, mean, *ends))
    return pd.DataFrame(found, columns=SUMMARY_COLUMNS)


def row_label(corruption: str) -> str:
    """A row of the table in words, such as "Rotation, 30 °"."""
    if corruption == CLEAN:
        return "Clean test images"
    if corruption == MNIST_C_MEAN:
        return "Mean of MNIST-C"
    return describe_severity(CORRUPTIONS[corruption], reported_severity(corruption))


def describe_severity(kind: Corruption, severity: float) -> str:
    """A corruption and its severity in words: "Rotation, 30 °", "Fog (MNIST-C), level 5"."""
    if kind.family == "mnist_c":
        return f"{kind.label}, level {severity:g}" if kind.high > 1 else kind.label
    return f"{kind.label}, {severity:g} {kind.unit}".replace("-", "−")


def to_latex(table: pd.DataFrame, labels: Mapping[str, str], caption: str, name: str) -> str:
    """A `robustness_table` as a LaTeX table (booktabs): corruptions × variants, in percent.

    `labels` maps the variants' keys to their names and gives the order of the columns; `name` is
    what the text refers to it by. An interval stands below its accuracy and a name is broken
    between words, so that all fits on one page. None is bold: the highest
    accuracy of a row need not be a resolved difference.
    """
    variants = [key for key in labels if key in set(table["variant"])]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(caption)}}}",
        rf"\label{{{name}}}",
        r"\scriptsize",
        r"\setlength{\tabcolsep}{2pt}",
        r"\renewcommand{\arraystretch}{0.9}",
        rf"\begin{{tabular}}{{l{'r' * len(variants)}}}",
        r"\toprule",
        _latex_row([r"Accuracy (\%)", *(_latex_head(labels[key]) for key in variants)]),
        r"\midrule",
    ]
    for corruption, group in table.groupby("corruption", sort=False):
        records = {record["variant"]: record for record in group.to_dict("records")}
        means = (
            f"{records[k]['accuracy_percent']:.1f}" if k in records else "--" for k in variants
        )
        lines.append(_latex_row([escape_latex(row_label(str(corruption))), *means]))
        intervals = [_latex_interval(records.get(key)) for key in variants]
        lines += [_latex_row(["", *intervals])] if any(intervals) else []
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_head(label: str) -> str:
    """A name with its words below each other; what follows a plus stays beside it."""
    words = escape_latex(label).replace("+ ", "+~").split()
    return r"\shortstack[r]{" + r"\\".join(words) + "}"


def _latex_interval(record: Mapping | None) -> str:
    if record is None or math.isnan(record["low_percent"]):
        return ""
    return rf"{{\tiny [{record['low_percent']:.1f}, {record['high_percent']:.1f}]}}"


def escape_latex(text: str) -> str:
    """`text` with every sign that means something to LaTeX written out."""
    return text.translate(LATEX_ESCAPES)
