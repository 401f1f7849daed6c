"""Many of a user's own images in one table: what it shows, in which order, as HTML and as files.

No streamlit. V variants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd

from core.analysis.predict import agreement, agreement_sentence
from core.data.datasets import DatasetInfo
from core.training.runs import Run
from ui.failures_tables import variant_color
from ui.images import format_percent, png_data_url
from ui.own_images import OwnImage
from ui.predict_answers import compared, most_unusual, style

ALL, SPLIT, WRONG, UNUSUAL, REFUSED = "all", "split", "wrong", "unusual", "refused"
FILTERS = {
    ALL: "All",
    SPLIT: "Disagreement",
    WRONG: "Any wrong",
    UNUSUAL: "Unusual",
    REFUSED: "Refused",
}
ORDERS = {
    "brought": "Last brought first",
    "agreement": "Least agreement first",
    "entropy": "Highest entropy first",
    "unusual": "Most unusual first",
    "name": "By name",
}


def overview(
    owns: Sequence[OwnImage], said: pd.DataFrame, odd: pd.DataFrame, class_names: Sequence[str]
) -> pd.DataFrame:
    """One row per image: `place` among `owns`, `name, true` (class name, "" if not known).

    For each variant `<key>` (class name) and `<key>_probability`; `most` (the class that more than
    half of the variants say, else ""), `agree` (how many say what most say), `entropy` (bits, mean
    over the variants), `wrong` (how many are; NaN where the truth is not known), `unusual` (the
    property furthest out, in words), `is_unusual`, and `far` (percentiles from the median). `said`
    is `answers_frame` and `odd` is `typicality` of `owns`.
    """
    keys, names = said["variant"].unique(), np.array(class_names)
    predicted, shares, entropy = (
        said[column].to_numpy().reshape(len(owns), len(keys))
        for column in ("predicted", "probability", "entropy")
    )
    true = np.array([-1 if own.true is None else own.true for own in owns])
    votes = (predicted[:, :, None] == np.arange(len(names))).sum(axis=1)
    agree = votes.max(axis=1)
    return pd.DataFrame(
        {
            "place": range(len(owns)),
            "name": [own.name for own in owns],
            "true": np.where(true < 0, "", names[true]),
            **{key: names[predicted[:, number]] for number, key in enumerate(keys)},
            **{f"{key}_probability": shares[:, number] for number, key in enumerate(keys)},
            "most": np.where(2 * agree > len(keys), names[votes.argmax(axis=1)], ""),
            "agree": agree,
            "entropy": entropy.mean(axis=1),
            "wrong": np.where(true < 0, np.nan, (predicted != true[:, None]).sum(axis=1)),
            **_unusual(odd, len(owns)),
        }
    )


def _unusual(odd: pd.DataFrame, num_images: int) -> dict[str, list]:
    rows: list[list[Mapping]] = [[] for _ in range(num_images)]
    for row in odd.to_dict("records"):
        rows[row["image"]].append(row)
    found = [most_unusual(of_image) for of_image in rows]
    return {
        "unusual": [compared(row) if row else "" for row in found],
        "is_unusual": [bool(row and row["is_unusual"]) for row in found],
        "far": [abs(row["percentile"] - 50) if row else np.nan for row in found],
    }


def passing(frame: pd.DataFrame, shown: str, num_variants: int) -> pd.DataFrame:
    """The rows of `overview` that one of `FILTERS` leaves."""
    masks = {
        SPLIT: frame["agree"] < num_variants,
        WRONG: frame["wrong"] > 0,
        UNUSUAL: frame["is_unusual"],
        REFUSED: pd.Series(False, frame.index),
    }
    return frame[masks[shown]] if shown in masks else frame


def ordered(frame: pd.DataFrame, order: str) -> pd.DataFrame:
    """The rows of `overview` in one of `ORDERS`; equal ones as they were brought."""
    columns = {"agreement": "agree", "entropy": "entropy", "unusual": "far", "name": "name"}
    if order not in columns:
        return frame
    up = order in ("agreement", "name")
    return frame.sort_values(columns[order], ascending=up, kind="stable")


def rows_table(
    frame: pd.DataFrame,
    owns: Sequence[OwnImage],
    *,
    variants: Mapping[str, str],
    current: int,
    refused: Mapping[str, str],
) -> str:
    """Rows of `overview` that pick their `place`, then the refused ones with their reasons.

    `variants` maps keys to labels; `current` is the place that is shown.
    """
    heads = "".join(
        f'<th scope="col" style="--accent:{variant_color(key)}" title="{escape(label)}">'
        f"{escape(label.replace(' norm', ''))}</th>"
        for key, label in variants.items()
    )
    body = [_row(row, owns[row["place"]], variants, current) for row in frame.to_dict("records")]
    body += [_refusal(name, why, len(variants) + 4) for name, why in refused.items()]
    return (
        f'{style()}<div class="scroll" tabindex="0" role="region" aria-label="All images">'
        '<table class="who many"><thead><tr><th scope="col">Image</th><th scope="col">True</th>'
        f'{heads}<th scope="col">Agree</th><th scope="col">Entropy (bits)</th>'
        f'<th scope="col" class="wide">Least usual</th></tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _row(row: Mapping, own: OwnImage, variants: Mapping[str, str], current: int) -> str:
    marked = ' aria-current="true"' if row["place"] == current else ""
    cells = "".join(_cell(row, key, label) for key, label in variants.items())
    diamond = "◆ " if row["is_unusual"] else ""
    return (
        f'<tr><th scope="row"><button type="button" data-pick="{row["place"]}"{marked} '
        f'title="{escape(row["name"])}"><img src="{png_data_url(own.image)}" alt="">'
        f"<span>{escape(row['name'])}</span></button></th><td>{escape(row['true'] or '–')}</td>"
        f"{cells}<td>{row['agree']} of {len(variants)}</td><td>{row['entropy']:.2f}</td>"
        f'<td class="wide">{diamond}{escape(row["unusual"])}</td></tr>'
    )


def _cell(row: Mapping, key: str, label: str) -> str:
    """Shaded where the variant is wrong or, if that is not known, says other than most."""
    name, share, true = row[key], row[f"{key}_probability"], row["true"]
    out = name != (true or row["most"] or name)
    mark = "" if not true else "✗ " if out else "✓ "
    return (
        f'<td class="{"wrong" if out else ""}" title="{escape(f"{label}: {name}, {share:.2%}")}" '
        f'style="--accent:{variant_color(key)};--share:{share:.2f}">{mark}{escape(name)}'
        f"<small>{format_percent(share)}</small></td>"
    )


def _refusal(name: str, why: str, columns: int) -> str:
    return (
        f'<tr><th scope="row"><span>{escape(name)}</span></th>'
        f'<td class="refused" colspan="{columns}">Refused: {escape(why)}</td></tr>'
    )


def csv_frame(frame: pd.DataFrame, refused: Mapping[str, str]) -> pd.DataFrame:
    """`overview` for a file: with the refused images and why, without what only the table needs."""
    table = frame.drop(columns=["place", "is_unusual", "far"]).assign(refused="")
    return pd.concat(
        [table, pd.DataFrame({"name": list(refused), "refused": list(refused.values())})]
    )


def document(
    info: DatasetInfo,
    owns: Sequence[OwnImage],
    said: pd.DataFrame,
    odd: pd.DataFrame,
    runs: Mapping[str, Run],
    refused: Mapping[str, str],
) -> dict:
    """All of it for JSON, in the form of `python -m core predict --json`."""
    images: list[dict] = [
        {
            "file": own.name,
            "error": None,
            "notices": list(own.notices),
            "true": own.true,
            "predictions": _predictions(said[said["image"] == place], runs),
            "agreement": agreement_sentence(
                agreement(said[said["image"] == place]), info.class_names
            ),
            "typicality": _typicality(odd[odd["image"] == place]),
        }
        for place, own in enumerate(owns)
    ]
    images += [
        {"file": name, "error": {"message": why}, "predictions": []}
        for name, why in refused.items()
    ]
    return {"dataset": info.key, "seed": next(iter(runs.values())).seed, "images": images}


def _predictions(frame: pd.DataFrame, runs: Mapping[str, Run]) -> list[dict]:
    columns = ["variant", "predicted", "probability", "runner_up", "runner_up_probability"]
    columns += ["margin", "entropy", "probabilities"]
    found = frame[columns].rename(columns={"predicted": "label"})
    return [{**row, "run": runs[row["variant"]].name} for row in found.to_dict("records")]


def _typicality(odd: pd.DataFrame) -> list[dict]:
    plain = odd.drop(columns="image").astype(object)
    return plain.where(plain.notna(), None).to_dict("records")
