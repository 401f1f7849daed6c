"""How often the pages' verdicts name something where there is nothing but chance.

    python -m benchmarks.false_findings [--dataset mnist] [--tables 400] [--seeds 2 3 5] [--json]

Each verdict says that at most 5 % of tables without any effect name one. It is asked here of the
shipped runs, from which the effect has been taken:

- differences (Overview, “resolved”) and properties (Failures, “Failures by normalization”): the
  runs are dealt out anew to six variants, so whatever these differ in is chance. Images stay as
  hard as they are; runs of one such variant differ more than seeds do, as they were of several.
- one variant (Overview, too): its seeds are dealt out to as many groups as there can be, so that
  they differ as seeds do. Few seeds make few different tables.
- small changes (Failures, “Which small changes and which layers matter”): for every failing image
  a coin says whether its being repaired and its control's being broken are exchanged, for all runs
  and changes alike, since these share what is peculiar to an image.

`named` counts tables that name anything; `refused` those for which there are too few failures. The
ratio is 5 % over the largest share named: above 1 the promise is kept. Everything is drawn with
seed 0.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from core.analysis.derived import read_derived
from core.analysis.failure_causes import failure_causes
from core.analysis.image_properties import image_properties
from core.analysis.metrics import wilson_interval
from core.analysis.significance import ALPHA, compare_pairs
from core.analysis.survey_table import NAME, survey_frame
from core.config import VARIANTS
from core.data.datasets import data_dir, load_split
from core.device import device_name
from core.errors import NormLabError, UsageError
from core.training.runs import SHIPPED_DIR, Predictions, Run, list_runs, read_predictions

EXCHANGED = str.maketrans("12", "21")  # see `survey_table.encode`


@dataclass(frozen=True)
class Material:
    """The shipped runs of a data set: predictions and surveys in one order, and its test images."""

    runs: Sequence[Run]
    predictions: Sequence[Predictions]
    surveys: Sequence[dict]
    properties: pd.DataFrame


def load(dataset: str) -> Material:
    """Raises `NormLabError` if the test images or what is kept beside a run are not there."""
    runs = [run for run in list_runs(SHIPPED_DIR, dataset) if run.state == "done"]
    surveys = [read_derived(run, NAME) for run in runs]
    found = [one for one in surveys if one is not None]
    if not runs or len(found) < len(runs):
        raise UsageError(f"{len(found)} of {len(runs)} shipped runs on {dataset} have a survey.")
    images = load_split(dataset, data_dir(), "test").images
    predictions = [read_predictions(run.path) for run in runs]
    return Material(runs, predictions, found, image_properties(images))


def deal(
    predictions: Sequence[Predictions], num_seeds: int, rng: np.random.Generator
) -> dict[str, list[Predictions]]:
    """As many runs for each of the six variants, whichever they were trained as."""
    order = rng.permutation(len(predictions))[: len(VARIANTS) * num_seeds]
    shares = order.reshape(len(VARIANTS), num_seeds)
    return {key: [predictions[i] for i in row] for key, row in zip(VARIANTS, shares, strict=True)}


def split(material: Material, num_seeds: int, rng: np.random.Generator) -> dict:
    """The runs of one variant in groups. Raises `UsageError` if there are too few for two."""
    keys = [run.variant.key if run.variant else "" for run in material.runs]
    chosen = rng.permutation(np.flatnonzero(np.array(keys) == rng.choice(list(VARIANTS))))
    groups = [chosen[i : i + num_seeds] for i in range(0, len(chosen), num_seeds)]
    whole = [group for group in groups if len(group) == num_seeds]
    if len(whole) < 2:
        raise UsageError(f"{len(chosen)} seeds make no two groups of {num_seeds}.")
    return {str(i): [material.predictions[j] for j in group] for i, group in enumerate(whole)}


def exchange(document: dict, swapped: np.ndarray) -> dict:
    """A survey whose outcomes count for the other side if the failing image is `swapped` (N,)."""
    which = swapped[np.array(document["failing"], int)]

    def turn(codes: str) -> str:
        turned = codes.translate(EXCHANGED)
        return "".join(np.where(which, list(turned), list(codes)))

    rows = [(*change, turn(codes)) for *change, codes in document["rows"]]
    return {**document, "rows": rows}


def names_difference(material: Material, num_seeds: int, seed: int) -> bool:
    dealt = deal(material.predictions, num_seeds, np.random.default_rng(seed))
    return _resolves(dealt)


def names_difference_within(material: Material, num_seeds: int, seed: int) -> bool:
    groups = split(material, num_seeds, np.random.default_rng(seed))
    return _resolves(groups)


def _resolves(runs: Mapping[str, Sequence[Predictions]]) -> bool:
    numbered = {key: dict(enumerate(several)) for key, several in runs.items()}
    return bool(compare_pairs(numbered)["resolved"].any())


def names_property(material: Material, num_seeds: int, seed: int) -> bool:
    dealt = deal(material.predictions, num_seeds, np.random.default_rng(seed))
    norms = {key: variant.norm for key, variant in VARIANTS.items()}
    return not failure_causes(dealt, norms, material.properties).named.empty


def names_change(material: Material, num_seeds: int, seed: int) -> bool:
    rng = np.random.default_rng(seed)
    swapped = rng.random(len(material.properties)) < 0.5
    documents: dict[str, list[dict]] = {}
    for number in rng.permutation(len(material.runs)):
        variant = material.runs[number].variant
        several = documents.setdefault(variant.key if variant else "", [])
        if len(several) < num_seeds:
            several.append(exchange(material.surveys[number], swapped))
    return bool(survey_frame(documents)["named"].any())


VERDICTS: Mapping[str, Callable[[Material, int, int], bool]] = {
    "differences": names_difference,
    "one variant": names_difference_within,
    "properties": names_property,
    "small changes": names_change,
}


def ask(material: Material, job: tuple[str, int, int]) -> bool | None:
    """Whether a verdict names something for one table; None if it is refused."""
    verdict, num_seeds, seed = job
    try:
        return VERDICTS[verdict](material, num_seeds, seed)
    except UsageError:
        return None


def summarize(verdict: str, num_seeds: int, answers: Sequence[bool | None]) -> dict:
    """Shares in [0, 1], with Wilson's 95 % interval."""
    asked = [answer for answer in answers if answer is not None]
    named = sum(asked)
    low, high = wilson_interval(len(asked) - named, len(asked))
    return {
        "verdict": verdict,
        "seeds": num_seeds,
        "tables": len(asked),
        "refused": len(answers) - len(asked),
        "named": named,
        "share": round(named / len(asked), 4) if asked else None,
        "low": round(low, 4),
        "high": round(high, 4),
    }


def measure(dataset: str, num_tables: int, seeds: Sequence[int]) -> dict:
    """All figures, ready for JSON."""
    material = load(dataset)
    per_variant = len(material.runs) // len(VARIANTS)
    if not all(2 <= number <= per_variant for number in seeds):
        raise UsageError(f"--seeds must be 2 to {per_variant}, as many as a variant has here.")
    cells = [(verdict, number) for verdict in VERDICTS for number in seeds]
    jobs = [(*cell, table) for cell in cells for table in range(num_tables)]
    with ProcessPoolExecutor() as pool:
        answers = list(pool.map(partial(ask, material), jobs, chunksize=5))
    rows = [
        summarize(*cell, answers[start : start + num_tables])
        for cell, start in zip(cells, range(0, len(jobs), num_tables), strict=True)
    ]
    worst = max((row["share"] for row in rows if row["tables"]), default=0.0)
    return {
        "ratio": round(ALPHA / worst, 2) if worst else None,
        "reference": ALPHA,
        "ours": worst,
        "unit": "share of tables without an effect that name one",
        "machine": device_name("cpu"),
        "dataset": dataset,
        "verdicts": rows,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="How often the pages' verdicts name chance.")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--tables", type=int, default=400, help="per verdict and number of seeds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 5], help="per variant")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    try:
        result = measure(options.dataset, max(1, options.tables), options.seeds)
    except NormLabError as error:
        sys.exit(f"normlab: {error}")
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(
        f"{result['machine']}, {result['dataset']}: {result['unit']}, at most {ALPHA} is promised"
    )
    print(pd.DataFrame(result["verdicts"]).to_string(index=False))


if __name__ == "__main__":
    main()
