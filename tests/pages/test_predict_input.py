"""The ways in on the page Predict, without a browser: files, switches, samples, page changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data.datasets import load_split
from core.data.image_gate import LIMITS
from tests.pictures import DIGIT, encode

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def page(fake_checkpoints) -> Callable[..., AppTest]:
    """Opens Predict on runs whose networks cannot be asked: only what comes in is looked at."""
    fake_checkpoints({"digits": (1,)}, num_images=360)

    def build(**query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "pages/predict.py"), default_timeout=60)
        for name, text in query.items():
            app.query_params[name] = text
        app.run()
        assert not app.exception and not app.error
        return app

    return build


def captions(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption)


def html(app: AppTest) -> str:
    return "\n".join(part.value for part in app.get("html"))


def send(app: AppTest, *files: tuple[str, bytes]) -> None:
    payload = [(name, content, "image/png") for name, content in files]
    app.file_uploader[0].set_value(payload).run()
    assert not app.exception and not app.error


def test_limits_are_said_before_they_bite(page):
    app = page(way="upload")
    for limit in ("PNG", "TIFF", LIMITS, "200 files", "64 MB"):
        assert limit in app.file_uploader[0].label
    assert "until this page is reloaded, written nowhere" in captions(app)


def test_more_files_can_be_added_and_all_removed(page):
    app = page(way="upload")
    send(app, ("7.png", encode(DIGIT)), ("<i>7</i>.png", b""))
    assert "2 files are kept" in captions(app)
    assert app.warning[0].value == "1 of 2 pictures cannot be used. The others go on."
    assert "<b>&lt;i&gt;7&lt;/i&gt;.png</b>: The file is empty" in html(app)
    send(app, ("8.png", encode(255 - DIGIT)))
    assert "3 files are kept" in captions(app)
    next(one for one in app.button if one.label == "Remove all").click().run()
    assert "kept" not in captions(app) and not app.warning
    assert app.session_state["own-image"] is None


def test_what_was_brought_last_is_shown_as_far_as_it_can_be_read(page):
    app = page(way="upload")
    send(app, ("5.png", encode(DIGIT)))
    send(app, ("a.png", encode(255 - DIGIT)), ("b.png", encode(DIGIT)))
    assert app.session_state["own-image"].name == "a.png"
    send(app, ("none.png", b""))  # of which there is nothing to show
    assert app.session_state["own-image"].name == "a.png"


def test_the_digits_of_one_picture_are_counted_even_if_it_is_there_twice(page):
    app = page(way="upload")
    two = encode(np.tile(np.kron(DIGIT, np.ones((4, 4), np.uint8)), (1, 2)))
    send(app, ("a.png", two), ("b.png", two))
    assert "2 digits found" in captions(app)


def test_files_outlast_a_change_of_page(fake_checkpoints):
    fake_checkpoints({"digits": (1,)}, num_images=360)
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60).run()
    app.switch_page("pages/predict.py").run()
    app.segmented_control(key="chosen-way").set_value("upload").run()
    send(app, ("7.png", encode(DIGIT)))
    own = app.session_state["own-image"]
    assert (own.name, own.way, own.true) == ("7.png", "upload", 7)
    app.switch_page("pages/curves.py").run()
    assert app.session_state["own-image"].digest == own.digest
    app.switch_page("pages/predict.py").run()
    assert "1 file is kept" in captions(app)


def test_switches_turn_the_picture_over_or_leave_it_and_go_into_the_address(page):
    app = page(way="upload")
    send(app, ("7.png", encode(255 - DIGIT)))
    assert "The ink is darker than the paper" in captions(app)
    np.testing.assert_array_equal(app.session_state["own-image"].image, DIGIT)
    app.segmented_control(key="chosen-ink").set_value("light_on_dark").run()
    np.testing.assert_array_equal(app.session_state["own-image"].image, 255 - DIGIT)
    app.segmented_control(key="chosen-prepare").set_value("as_is").run()
    asked = {name: app.query_params[name] for name in ("way", "ink", "prepare")}
    assert asked == {"way": "upload", "ink": "light_on_dark", "prepare": "as_is"}


def test_samples_are_test_images_by_their_number(page):
    own = page(way="samples").session_state["own-image"]
    assert (own.way, own.name, own.true) == ("sample", f"Test image {own.index}", 0)
    own = page(way="samples", sample="17").session_state["own-image"]
    assert (own.index, own.true) == (17, 7)  # the made-up runs count through the classes
    np.testing.assert_array_equal(own.image, load_split("digits", Path(), "test").images[17])


def test_samples_without_images_offer_the_download(page, fake_checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path))
    fake_checkpoints({"mnist": (1,)}, num_images=360)
    app = page(way="samples", dataset="mnist")
    assert any("so there are no samples" in part.value for part in app.markdown)


def test_a_photo_is_kept_until_it_is_removed(page):
    app = page(way="camera")
    assert "https" in captions(app)
    photo = encode(DIGIT, "JPEG", quality=100)
    app.camera_input[0].set_value(("photo.jpg", photo, "image/jpeg")).run()
    own = app.session_state["own-image"]
    assert (own.name, own.way) == ("Your photo", "camera")
    np.testing.assert_allclose(own.image, DIGIT, atol=4)
    next(one for one in app.button if one.label == "Remove the photo").click().run()
    assert "The photo is kept" not in captions(app)
    assert app.session_state["own-image"] is None


def test_an_address_that_makes_no_sense_says_so(page):
    app = page(way="telepathy", ink="invisible")
    assert "telepathy" in app.warning[0].value
    assert app.segmented_control(key="chosen-way").value == "draw"
