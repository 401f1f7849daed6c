"""Digit grids: pixels, captions and words for screen readers."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ui import images

DIGITS = tuple("0123456789")


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {"index": [3, 1], "target": [4, 8], "predicted": [9, 1], "probability": [0.87, 0.504]}
    )


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)


def decode(url: str) -> np.ndarray:
    prefix, content = url.split(",")
    assert prefix == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_a_picture_holds_exactly_its_pixels(pixels):
    assert np.array_equal(decode(images.png_data_url(pixels[2])), pixels[2])


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.87, "87 %"), (0.994, "99 %"), (0.9999, "> 99 %"), (1.0, "> 99 %"), (0.004, "< 1 %")],
)
def test_percent_is_never_rounded_to_certainty(probability, text):
    assert images.format_percent(probability) == text


@pytest.mark.parametrize(
    ("name", "phrase"),
    [("4", "a 4"), ("8", "an 8"), ("Ankle boot", "an Ankle boot"), ("Shirt", "a Shirt")],
)
def test_article(name, phrase):
    assert images.with_article(name) == phrase


def test_grid_shows_each_failure_in_order_with_alternative_text(frame, pixels):
    html = images.failure_grid(frame, images=pixels, class_names=DIGITS, color="#123456")
    assert re.findall(r'data-pick="(\d+)"', html) == ["3", "1"]
    assert re.findall(r'alt="([^"]*)"', html) == [
        "test image 3, a 4 taken for a 9 with 87 %",
        "test image 1, an 8 taken for a 1 with 50 %",
    ]
    assert "<b>4 → 9</b> <small>87 %</small>" in html
    urls = re.findall(r'src="([^"]*)"', html)
    assert [
        np.array_equal(decode(url), pixels[i]) for url, i in zip(urls, (3, 1), strict=True)
    ] == [
        True,
        True,
    ]
    assert "--accent:#123456" in html and "--share:0.870" in html


def test_grid_without_pictures_keeps_the_words(frame):
    html = images.failure_grid(frame, images=None, class_names=DIGITS)
    assert "<img" not in html and 'class="tiles bare"' in html
    assert 'aria-label="test image 3, a 4 taken for a 9 with 87 %"' in html


def test_class_names_are_escaped_and_long_ones_get_room(frame):
    names = ["<b>&", *DIGITS[1:4], "T-shirt/top", *DIGITS[5:]]
    html = images.failure_grid(
        frame.assign(predicted=0), images=None, class_names=names, color="#000000"
    )
    assert "<b>T-shirt/top → &lt;b&gt;&amp;</b>" in html and "tiles words" in html


def test_an_index_beyond_the_images_has_no_picture(pixels):
    assert images.picture(pixels, 5, "x") == images.picture(None, 0, "x") == ""


def test_large_picture_keeps_hard_pixels(pixels):
    html = images.large_picture(pixels, 0, 'a "4"')
    assert "image-rendering:pixelated" in html and "a &quot;4&quot;" in html


def test_a_hundred_failures_are_quick_and_small(pixels):
    frame = pd.DataFrame({"index": [0] * 100, "target": 1, "predicted": 2, "probability": 0.5})
    digits = np.zeros((1, 28, 28), np.uint8)
    digits[:, 8:20, 12:16] = 255
    html = images.failure_grid(frame, images=digits, class_names=DIGITS)
    assert html.count("<img") == 100 and len(html) < 100_000
