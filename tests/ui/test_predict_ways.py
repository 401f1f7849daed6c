"""The parts of Predict's ways in that need no page: HTML, samples, what the board sends."""

from __future__ import annotations

import base64

import numpy as np

from core.data.image_gate import read_picture
from core.data.preprocess import STEPS, find_digits, use_as_is
from tests.pictures import DIGIT, PAPER, encode
from ui import predict_steps
from ui.drawing_canvas import PREFIX, decode
from ui.own_images import OwnImage
from ui.predict_refusals import refusals_html
from ui.predict_samples import PER_CLASS, png, samples

TWO = np.full((100, 200), 255, np.uint8)
TWO[20:80, 20:40] = TWO[20:80, 150:180] = 0


def own(picture: np.ndarray, place: int = 0, name: str = "x") -> OwnImage:
    digits = find_digits(read_picture(encode(picture)))
    return OwnImage(digits[place].image, name, "upload", digits=digits, place=place)


def test_every_step_has_a_label():
    assert set(STEPS) <= set(predict_steps.STEPS)
    for digits in (
        find_digits(read_picture(encode(PAPER))),
        (use_as_is(read_picture(encode(TWO))),),
    ):
        assert set(digits[0].steps) <= set(predict_steps.STEPS)


def test_steps_end_with_what_the_networks_see_and_names_are_escaped():
    html = predict_steps.steps_html(own(PAPER, name="<b>&"))
    assert html.count("<figcaption>") == html.count("<img") >= 3
    assert html.rindex("28×28") > html.rindex("Cropped") > html.rindex("In grey")
    assert "<b>" not in html and "&lt;b&gt;&amp;" in html
    assert "<button" not in html  # one digit leaves nothing to choose


def test_each_of_several_digits_has_a_button_where_it_stands():
    html = predict_steps.steps_html(own(TWO, place=1))
    assert html.count("<button") == 2
    first, second = html.split("<button")[1:]
    assert 'data-pick="0"' in first and 'aria-pressed="false"' in first
    assert 'aria-label="Digit 2 of 2"' in second and 'aria-pressed="true"' in second
    left, width = (float(second.split(f"{what}:")[1].split("%")[0]) for what in ("left", "width"))
    assert abs(left - 75) < 2 and abs(width - 15) < 3  # columns 150 to 180 of 200


def test_refusals_escape_what_users_wrote():
    html = refusals_html({"<script>": "bad", "b": "The file is empty."})
    assert "<script>" not in html and html.count("<li>") == 2
    assert "<b>&lt;script&gt;</b>: bad" in html


def test_samples_are_the_first_of_each_class():
    frame = samples(np.array([1, 0, 1, 1, 0, 0, 1]))
    assert frame["index"].tolist() == [1, 4, 0, 2] and PER_CLASS == 2
    assert frame["target"].tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(find_digits(read_picture(png(DIGIT)))[0].image, DIGIT)


def test_what_is_no_picture_of_the_board_is_nothing():
    content = encode(DIGIT)
    assert decode(PREFIX + base64.b64encode(content).decode()) == content
    assert [decode(text) for text in ("", "data:text/html,<p>", "%%%")] == [b"", b"", b""]
