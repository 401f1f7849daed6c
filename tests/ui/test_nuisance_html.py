"""The lab's HTML: six answers beside two pictures, and the check of the algebra in words."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pandas as pd
from PIL import Image

from ui.nuisance_algebra import check_table, check_words
from ui.nuisance_answers import answers

BEFORE = pd.DataFrame(
    {
        "variant": ["gn", "bn_l1"],
        "label": ["Group norm", "Batch norm <&>"],
        "predicted": ["7", "7"],
        "right": [True, True],
        "probability": [0.9999, 0.98],
    }
)
NOW = BEFORE.assign(predicted=["7", "2"], right=[True, False], probability=[0.9999, 0.51])
CLEAN = np.linspace(0, 1, 784, dtype=np.float32).reshape(28, 28)


def html(changed: np.ndarray, done: str = "contrast ×0.25") -> str:
    return answers(BEFORE, NOW, clean=CLEAN, changed=changed, name="a <7>", done=done)


def pictures(text: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def test_each_variant_says_what_it_said_and_says():
    text = html(CLEAN)
    rows = re.findall(r'<tr data-variant="(\w+)" class="(\w+)"', text)
    assert rows == [("gn", "right"), ("bn_l1", "wrong")]
    assert "51 %" in text and "&gt; 99 %" not in text and "> 99 %" in text
    assert text.count('aria-label="wrong"') == 1 and text.count('aria-label="right"') == 3
    assert "Batch norm &lt;&amp;&gt;" in text


def test_pictures_are_the_pixels_and_have_words():
    clean, changed = pictures(html(CLEAN / 2))
    np.testing.assert_array_equal(clean, np.rint(CLEAN * 255))
    np.testing.assert_array_equal(changed, np.rint(CLEAN / 2 * 255))
    assert 'alt="a &lt;7&gt;"' in html(CLEAN)
    assert 'alt="a &lt;7&gt;, contrast ×0.25"' in html(CLEAN)
    assert 'alt="a &lt;7&gt;, unchanged"' in html(CLEAN, done="")


def test_values_that_cannot_be_drawn_are_said():
    text = html(CLEAN * 4 - 1)
    assert "Values go from −1.00 to 3.00, drawn between black 0 and white 1." in text
    assert "Values go" not in html(CLEAN)
    assert pictures(text)[1].min() == 0 and pictures(text)[1].max() == 255


CHECK = pd.DataFrame(
    {
        "variant": ["gn", "ln", "bn_l1"],
        "label": ["Group norm", "Layer norm", "Batch norm + L1"],
        "norm": ["group", "layer", "batch"],
        "computed": [3e-5, 1e-5, 13.94],
        "eps": [2.9e-5, 0.8e-5, 13.94],
        "exact": [1e-15, 0.0, 13.96],
    }
)


def test_the_check_names_the_largest_of_the_still_and_the_smallest_of_the_moved():
    assert check_words(CHECK) == (
        "Group and layer norm move by at most 3e−05 logits as they run. In exact arithmetic that "
        "is 2.9e−05, the work of ε; without ε it is at most 1e−15. "
        "Batch norm moves by at least 13.9 logits."
    )
    assert check_words(CHECK[:2]).count(".") == 3 and "Batch" not in check_words(CHECK[:2])
    assert check_words(CHECK[2:]).startswith("Batch norm moves")


def test_the_check_shows_every_digit_it_has():
    text = check_table(CHECK, 0.25)
    assert "×1 and ×0.25 about grey" in text
    assert re.findall(r"<td>([^<]+)</td>", text)[:3] == ["3e−05", "2.9e−05", "1e−15"]


def test_where_the_truth_is_not_known_nothing_is_marked():
    unknown = BEFORE.assign(right=None)
    text = answers(unknown, unknown, clean=CLEAN, changed=CLEAN, name="your image", done="")
    assert "aria-label" not in text and "✓" not in text and text.count("</td>") == 6
