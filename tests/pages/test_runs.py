"""The page of runs: what it lists, and what can be done with the runs that are chosen."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS
from core.training import jobs
from core.training.archive import export_run
from core.training.job import find_job
from core.training.label import read_label, write_label
from core.training.runs import read_run
from tests.fixtures_runs import copy_shipped, write_run
from tests.job_helpers import REQUEST, dead_process, write
from ui.runs_data import Entry
from ui.runs_files import export_several

PAGE = Path(__file__).resolve().parents[2] / "pages" / "runs.py"
GN, LN = "digits/gn/seed-1", "digits/ln/seed-1"

Open = Callable[..., AppTest]


@pytest.fixture
def root(fake_checkpoints, tmp_path) -> Path:
    """The folder of runs made here: a group norm and a layer norm, beside shipped ones."""
    fake_checkpoints({"digits": (1,)}, num_images=100)
    for key in ("gn", "ln"):
        write_run(tmp_path / "runs", "digits", VARIANTS[key], 1, num_images=100)
    return tmp_path / "runs"


def page(*chosen: str, **query: str) -> AppTest:
    """The page, with these rows chosen."""
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.session_state["runs-chosen"] = [f"own/{name}" for name in chosen]
    for name, value in query.items():
        app.query_params[name] = value
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    (button,) = (one for one in app.button if one.label == label)
    return checked(button.click().run())


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def listed(app: AppTest) -> list[str]:
    return list(app.dataframe[0].value["folder"])


def stop(root: Path, name: str) -> None:
    """Makes the run one that was stopped after three epochs."""
    (root / name / "manifest.json").unlink()
    lines = (root / name / "metrics.jsonl").read_text().splitlines(keepends=True)
    (root / name / "metrics.jsonl").write_text("".join(lines[:3]))
    write(root / name, "status.json", state="stopped", reason="stopped in epoch 4")


def test_runs_made_here_are_listed_and_shipped_ones_on_request(root):
    app = page()
    assert sorted(listed(app)) == [GN, LN]
    assert "source" not in app.dataframe[0].value and "note" not in app.dataframe[0].value
    checked(app.toggle(key="shipped").set_value(True).run())
    assert list(app.dataframe[0].value["source"]) == ["made here"] * 2 + ["shipped"] * 6


def test_without_any_it_says_what_to_do(fake_checkpoints):
    fake_checkpoints({"digits": (1,)}, num_images=100)
    app = page()
    assert "Nothing has been trained here yet" in app.info[0].value and not app.dataframe
    assert len(listed(page(shipped="true"))) == 6


def test_runs_are_looked_for(root):
    stop(root, LN)
    assert listed(page(find="group")) == [GN]
    assert listed(page(state="stopped")) == [LN]
    assert page(find="nothing like it").info[0].value == "No run fits what is looked for."


def test_where_nothing_can_be_written_nobody_is_told_to_press_start(fake_checkpoints, tmp_path):
    fake_checkpoints({"digits": (1,)}, num_images=100)
    (tmp_path / "runs").write_text("a file")
    app = page()
    assert not app.info and "is not a folder: choose another" in app.warning[0].value


def test_nothing_can_be_done_until_runs_are_chosen(root):
    assert not any("Delete" in label or "Resume" in label for label in labels(page()))
    assert "Delete 1 run…" in labels(page(GN))


# Name and note


def test_several_runs_get_one_name_and_keep_their_notes(root):
    write_label(root / LN, "", "of old")
    app = page(GN, LN)
    app.text_input[1].set_value("First try")
    press(app, "Save name and note")
    assert app.success[0].value == "Saved name and note of 2 runs."
    assert read_label(root / GN) == ("First try", "")
    assert read_label(root / LN) == ("First try", "of old")
    assert list(app.dataframe[0].value["title"]) == ["First try"] * 2


def test_a_name_that_is_not_possible_is_refused_once(root):
    app = page(GN, LN)
    app.text_input[1].set_value("../x")
    press(app, "Save name and note")
    assert len(app.error) == 1 and "use at most 60 letters" in app.error[0].value
    assert read_label(root / GN) == ("", "")


# Deleting


def test_deleting_asks_first_and_names_what_is_lost(root):
    app = press(page(GN), "Delete 1 run…")
    assert any("Group norm, seed 1, Digits" in text.value for text in app.markdown)
    press(app, "Keep")
    assert sorted(listed(app)) == [GN, LN] and "Delete 1 run" not in labels(app)
    press(press(app, "Delete 1 run…"), "Delete 1 run")
    assert app.success[0].value == "Deleted 1 run."
    assert listed(app) == [LN] and not (root / GN).exists()


def test_the_question_stays_while_the_page_is_drawn_anew(root):
    app = checked(press(page(GN), "Delete 1 run…").run())
    assert "Delete 1 run" in labels(app)


def test_what_a_job_has_in_hand_is_not_deleted(root):
    shutil.rmtree(root / GN)
    jobs.register(REQUEST, root)
    app = page(GN)
    assert list(app.dataframe[0].value["state"]) == ["waiting", "finished"]
    (button,) = (one for one in app.button if one.label == "Delete…")
    assert button.disabled
    assert any("stop first, then delete" in text.value for text in app.caption)


def test_a_run_that_a_job_takes_up_meanwhile_is_kept(root):
    stop(root, GN)
    app = press(page(GN, LN), "Delete 2 runs…")
    jobs.register_resume([read_run(root / GN, root)], root)
    (button,) = (one for one in app.button if one.label == "Delete 2 runs")
    checked(button.click().run())
    assert (root / GN).exists()


def test_shipped_runs_are_never_changed(root):
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.session_state["runs-chosen"] = [f"shipped/{GN}"]
    app.query_params["shipped"] = "true"
    checked(app.run())
    assert not any("Delete" in label or "Save" in label for label in labels(app))
    assert any("came with NormLab" in text.value for text in app.markdown)


def test_a_run_that_disappears_is_gone_from_the_page(root):
    app = page(GN)
    shutil.rmtree(root / GN)
    checked(app.run())
    assert listed(app) == [LN] and not app.error


# Opening


def opens(app: AppTest) -> str:
    [line] = [text.value for text in app.caption if text.value.startswith("Download makes")]
    return line.partition("name and note. ")[2]


def test_it_says_what_the_pages_show_beside_the_chosen_runs(root):
    for key in ("gn", "ln"):
        write_run(root, "digits", VARIANTS[key], 2, num_images=100)
    assert opens(page(GN, LN)) == (
        "Curves opens with these variants and seeds (2 runs), Overview with these seeds of all "
        "variants (2 runs)."
    )
    assert "seeds (1 run), Overview with these seeds of all variants (2 runs)" in opens(page(GN))
    assert "seeds (4 runs)" in opens(page(GN, "digits/ln/seed-2"))


def test_runs_of_two_data_sets_cannot_be_opened_together(root):
    write_run(root, "mnist", VARIANTS["gn"], 1, num_images=100)
    app = page(GN, "mnist/gn/seed-1")
    assert opens(app) == "Runs of one data set can be opened on Curves and Overview."
    assert not any(label.startswith("Open on") for label in labels(app))


def test_shipped_runs_and_runs_made_here_are_opened_together(root):
    write_run(root, "digits", VARIANTS["gn"], 2, num_images=100)
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.session_state["runs-chosen"] = [f"shipped/{LN}", "own/digits/gn/seed-2"]
    app.query_params["shipped"] = "true"
    press(checked(app.run()), "Open on Curves")
    assert app.selectbox(key="runs").value == "together"
    assert app.multiselect(key="seed").value == []


# Resuming


def test_an_unfinished_run_is_resumed(root, monkeypatch):
    monkeypatch.setattr("ui.runs_actions.start_resume", jobs.register_resume)
    stop(root, GN)
    app = press(page(GN, LN), "Resume 1 run")
    assert app.success[0].value == "Job 1 goes on with 1 run."
    assert find_job(root, 1).runs == (GN,)
    assert "waiting" in list(app.dataframe[0].value["state"])


def test_a_resume_that_is_refused_says_why(root):
    stop(root, GN)
    app = page(GN)
    jobs.register_resume([read_run(root / GN, root)], root)
    press(app, "Resume 1 run")
    assert "Job 1 waits to train" in app.error[0].value


# Importing


def test_files_are_imported_and_each_refusal_is_a_line(root, tmp_path):
    one, other = copy_shipped(tmp_path / "there", "digits/bn_l1/seed-1", "digits/gn_l1/seed-1")
    app = page()
    app.file_uploader[0].set_value(
        [
            ("both.zip", export_several([Entry(one), Entry(other)]), "application/zip"),
            ("![x](y).zip", b"PK\x03\x04 nothing", "application/zip"),
            ("again.zip", export_run(one), "application/zip"),
        ]
    )
    checked(app.run())
    assert {"digits/bn_l1/seed-1", "digits/gn_l1/seed-1", GN, LN} == set(listed(app))
    assert len(app.success) == 1 and "gn\\_l1/seed-1" in app.success[0].value
    odd, again = (line.value for line in app.error)
    assert odd.startswith("“!\\[x\\](y).zip” was not added: The file is truncated")
    assert again.startswith("“again.zip” was not added") and "already trained" in again


# Jobs


def test_jobs_are_listed_with_reason_and_log(root):
    shutil.rmtree(root / GN)
    job = jobs.register(REQUEST, root)
    write(job.path, "process.json", **dead_process().to_dict())
    (job.path / "log.txt").write_text("it began\n")
    app = page()
    rows = app.dataframe[1].value
    assert list(rows["state"]) == ["interrupted"] and "killed" in rows["reason"].iloc[0]
    assert app.code[0].value == "it began"


def test_a_job_advises_to_resume_only_while_there_is_something_left_to_resume(root):
    shutil.rmtree(root / GN)
    job = jobs.register(REQUEST, root)
    write(job.path, "process.json", **dead_process().to_dict())
    assert page().dataframe[1].value["reason"].iloc[0].endswith(": resume it")
    write_run(root, "digits", VARIANTS["gn"], 1, num_images=100)
    reason = page().dataframe[1].value["reason"].iloc[0]
    assert "killed" in reason and "its runs are done" in reason and "resume" not in reason
