"""The training form in the sidebar: what it starts, what it refuses, and what it remembers."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS, Recipe
from core.errors import RunError
from core.training import jobs
from core.training.job import living_jobs
from core.training.request import custom_variant, make_request
from tests.fixtures_runs import write_run
from tests.job_helpers import write as write_file
from ui import state

ROOT = Path(__file__).resolve().parents[2]
PAGE = "pages/runs.py"


@pytest.fixture(autouse=True)
def runs(tmp_path, fake_checkpoints, monkeypatch) -> Path:
    """The folder of runs made here. Jobs that are started in it wait, and nothing trains."""
    fake_checkpoints({"digits": (1,)})
    monkeypatch.setattr(jobs, "start", jobs.register)
    return tmp_path / "runs"


def opened(script: str = PAGE) -> AppTest:
    app = AppTest.from_file(str(ROOT / script), default_timeout=60)
    app.query_params["dataset"] = "digits"
    app.session_state["train-open"] = True
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    return app


def write(app: AppTest, field: str, text: str) -> AppTest:
    return checked(app.text_input(key=f"train-{field}").set_value(text).run())


def number(app: AppTest, field: str, value: float | None) -> AppTest:
    return checked(app.number_input(key=f"train-{field}").set_value(value).run())


def click(app: AppTest, button: str) -> AppTest:
    return checked(app.button(key=f"train-{button}").click().run())


def end(job: jobs.Job, how: str = "done") -> None:
    write_file(job.path, "end.json", state=how, reason=None)


def can_start(app: AppTest) -> bool:
    return not app.button(key="train-start").disabled


def texts(app: AppTest) -> str:
    return "\n".join(part.value for part in (*app.sidebar.markdown, *app.sidebar.caption))


def test_it_is_closed_and_empty_until_somebody_wants_to_train(runs):
    app = checked(AppTest.from_file(str(ROOT / PAGE), default_timeout=60).run())
    assert [part.label for part in app.sidebar.expander] == ["Train networks"]
    assert not app.sidebar.button and not app.sidebar.text_input
    assert not runs.exists()


def test_at_first_it_holds_the_published_recipe_on_the_shown_data_set(runs):
    app = opened()
    assert app.selectbox(key="train-dataset").value == "digits"
    said = texts(app)
    assert make_request("digits", list(VARIANTS)).summary() in said
    assert "Otherwise than published" not in said
    assert "Takes about" in said and "It starts at once." in said
    assert "Shipped runs have some of these seeds too" in said
    assert can_start(app) and not app.error


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("seeds", "x", "Seeds 'x' are not understood"), ("seeds", "", "Seeds are empty")],
)
def test_a_text_that_cannot_be_is_one_line_and_nothing_starts(field, value, said):
    app = write(opened(), field, value)
    assert [line.value[: len(said)] for line in app.error] == [said]
    assert not can_start(app)


def test_a_number_that_cannot_be_is_one_line_and_nothing_starts():
    app = number(opened(), "batch_size", 1)
    assert [line.value for line in app.error] == ["Batch size is 1: it must lie in 2 to 4096."]
    assert not can_start(app)
    assert can_start(number(app, "batch_size", 32))


def test_what_somebody_typed_is_not_taken_for_markdown():
    app = write(opened(), "name", "[a](b) $x$")
    assert r"\[a\](b) \$x\$" in app.error[0].value


def test_start_starts_what_the_form_says_once(runs):
    app = number(write(opened(), "seeds", "3"), "epochs", 2)
    click(app, "start")
    (job,) = living_jobs(runs)
    assert job.request == make_request("digits", list(VARIANTS), epochs=2, seeds=(3,))
    assert [toast.value for toast in app.toast] == ["Job 1 has started."]
    assert [line.value for line in app.sidebar.info] == ["Starting: see above."]
    assert not can_start(app)
    assert not checked(app.run()).toast
    click(write(app, "seeds", "4"), "start")
    assert [toast.value for toast in app.toast] == ["Job 2 waits for its turn."]
    assert "It starts when jobs 1 and 2 have ended" in texts(write(app, "seeds", "5"))


def test_what_was_started_here_is_followed_to_its_end_beside_start(runs):
    app = number(opened(), "epochs", 2)
    checked(choice(app, "variants").set_value(["gn", "ln"]).run())
    click(app, "start")
    click(write(app, "seeds", "2"), "start")
    assert [line.value for line in app.sidebar.info] == ["Waits for 1 job before it: see above."]
    for job in living_jobs(runs):
        end(job)
    for key in ("gn", "ln"):
        write_run(runs, "digits", VARIANTS[key], 2)
    checked(app.run())
    assert [line.value for line in app.sidebar.success] == ["Trained: 2 runs."]
    assert not app.warning and not can_start(app)
    assert app.button(key="train-free").label == "Take seed 3"
    click(app, "show")
    assert app.selectbox(key=state.SOURCE).value == state.LOCAL
    assert "Already here" in number(app, "epochs", 3).warning[0].value  # asks for something else


def test_what_ended_too_soon_is_no_warning_where_it_was_started(runs):
    app = checked(choice(opened(), "variants").set_value(["gn"]).run())
    click(app, "start")
    (runs / "digits/gn/seed-1").mkdir(parents=True)
    (runs / "digits/gn/seed-1/run.json").write_text("{}")
    end(living_jobs(runs)[0], "stopped")
    checked(app.run())
    assert "Already here" in app.sidebar.info[0].value and not app.sidebar.warning


def test_of_two_tabs_one_starts_and_the_other_is_told(runs):
    first, second = opened(), opened()
    click(first, "start")
    click(second, "start")
    assert len(living_jobs(runs)) == 1
    assert "Starting: see above." in [line.value for line in second.info]
    assert not second.error and not second.toast


def test_one_that_comes_too_late_by_a_moment_is_told_too(runs, monkeypatch):
    app = opened()

    def late(request, runs_dir):
        jobs.register(request, runs_dir)
        return jobs.register(request, runs_dir)

    monkeypatch.setattr(jobs, "start", late)
    click(app, "start")
    assert len(living_jobs(runs)) == 1
    assert "Starting: see above." in [line.value for line in app.info]
    assert not app.error


def test_runs_that_exist_are_named_and_free_seeds_offered(runs):
    write_run(runs, "digits", VARIANTS["gn"], 1)
    app = opened()
    assert not can_start(app)
    (said,) = [line.value for line in app.warning]
    assert said.startswith("Already here: Group norm, seed 1 (finished, 20 epochs). Take other")
    assert app.button(key="train-free").label == "Take seed 2"
    click(app, "free")
    assert app.text_input(key="train-seeds").value == "2"
    assert can_start(app) and not app.warning


def test_a_disk_that_cannot_be_written_is_one_line_until_something_changes(monkeypatch):
    def full(request, runs_dir):
        raise RunError("Cannot write job.json: No space left on device. Free space.")

    monkeypatch.setattr(jobs, "start", full)
    app = click(opened(), "start")
    assert ["No space left" in line.value for line in app.error] == [True]
    assert ["No space left" in line.value for line in checked(app.run()).error] == [True]
    assert not write(app, "seeds", "2").error


def test_a_folder_that_cannot_be_written_disables_start(runs):
    runs.write_text("a file")
    app = opened("pages/parameters.py")  # Runs says it, too
    assert ["is not a folder" in line.value for line in app.warning] == [True]
    assert not can_start(app)


def test_images_that_are_not_here_are_offered_for_download(tmp_path, monkeypatch):
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path))
    app = opened()
    checked(app.selectbox(key="train-dataset").set_value("kmnist").run())
    assert "not on this machine**, so nothing can be trained on them yet." in texts(app)
    assert app.button(key="train-offer-download").label == "Download Kuzushiji-MNIST"
    assert not can_start(app)


def choice(app: AppTest, key: str):
    return next(group for group in app.get("button_group") if group.key == f"train-{key}")


def test_a_variant_of_ones_own_trains_beside_or_instead_of_the_six(runs):
    app = opened()
    choice(app, "channels_per_group").set_value(4).run()
    number(app, "l1_weight", 1e-4)
    assert app.button(key="train-add").label.startswith("Add Group norm + L1 (4 channels")
    click(app, "add")
    assert "7 runs on Digits" in texts(app) and "4 channels per group, λ 0.0001" in texts(app)
    checked(choice(app, "variants").set_value([]).run())
    number(app, "epochs", 1)
    click(app, "start")
    own = custom_variant("group", channels_per_group=4, l1_weight=1e-4)
    assert living_jobs(runs)[0].request == make_request("digits", [own], epochs=1)
    checked(choice(app, "own-chosen").set_value([]).run())
    assert app.error[0].value.startswith("No variant is chosen:")


def test_ones_own_can_be_one_of_the_six_and_must_be_possible():
    app = opened()
    checked(choice(app, "variants").set_value(["ln"]).run())
    click(app, "add")  # group norm with two channels per group
    assert sorted(choice(app, "variants").value) == ["gn", "ln"]
    number(app, "weight_decay", 1.0)
    assert [line.value for line in app.error] == [r"Weight decay is 1.0: it must lie in \[0, 1)."]
    assert app.button(key="train-add").disabled and can_start(app)


def test_the_recipe_can_be_changed_and_be_the_published_one_again(runs):
    app = number(number(opened(), "learning_rate", 0.05), "epochs", 3)
    assert "learning rate 0.05 instead of 0.01, 3 epochs instead of 20 or 25" in texts(app)
    assert "Shipped runs" not in texts(app)  # which these could not be averaged with
    click(app, "published")
    assert app.number_input(key="train-learning_rate").value == Recipe.learning_rate
    assert app.number_input(key="train-epochs").value is None
    assert "Otherwise than published" not in texts(app)


def test_values_survive_a_change_of_page_and_a_closed_form():
    app = opened("streamlit_app.py")
    number(write(app, "seeds", "5"), "momentum", 0.5)
    checked(app.switch_page(PAGE).run())
    assert app.text_input(key="train-seeds").value == "5"  # and it is still open
    app.session_state["train-box"] = False
    assert not checked(app.run()).sidebar.text_input
    app.session_state["train-box"] = True
    checked(app.run())
    assert app.text_input(key="train-seeds").value == "5"
    assert app.number_input(key="train-momentum").value == 0.5


def test_the_form_follows_the_data_set_of_the_page():
    app = opened()
    checked(app.selectbox(key="train-dataset").set_value("mnist").run())
    checked(app.run())
    assert app.selectbox(key="train-dataset").value == "mnist"
    checked(app.selectbox(key="dataset").set_value("qmnist").run())
    assert app.selectbox(key="train-dataset").value == "qmnist"


def test_the_page_and_the_form_can_offer_the_same_images(tmp_path, fake_checkpoints, monkeypatch):
    fake_checkpoints({"mnist": (1,)})
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "pages/failures.py"), default_timeout=60)
    app.session_state["train-open"] = True
    labels = [button.label for button in checked(app.run()).button]
    assert labels.count("Download MNIST") == 2
