"""Names, notes and deletion of runs that were made here."""

from __future__ import annotations

import pytest
from filelock import FileLock

from core.config import VARIANTS
from core.errors import UsageError
from core.training import jobs, manage
from core.training.job import list_jobs
from core.training.label import read_label
from core.training.manage import delete_run, label_run, own_run, queued_runs
from core.training.request import make_request
from core.training.runs import list_runs
from tests.fixtures_runs import write_run

NAME = "digits/gn/seed-1"


@pytest.fixture
def root(tmp_path):
    for seed in (1, 2):
        write_run(tmp_path, "digits", VARIANTS["gn"], seed)
    return tmp_path


def test_a_name_and_a_note_are_kept_beside_what_is_committed(root):
    before = own_run(NAME, root)
    label_run(before, root, "Übung 1", "First\nsecond line")
    run = own_run(NAME, root)
    assert (run.title, run.note, run.state) == ("Übung 1", "First\nsecond line", "done")
    assert run.digest == before.digest
    assert run.to_dict()["title"] == "Übung 1" and "title" not in before.to_dict()
    label_run(run, root, "", "")
    assert own_run(NAME, root) == before and not (run.path / "label.json").exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "x" * 61, "<b>", "\x1b[2J", " x"])
def test_a_name_that_is_none_is_refused(root, name):
    with pytest.raises(UsageError, match="name is"):
        label_run(own_run(NAME, root), root, name, "")
    assert own_run(NAME, root).title == ""


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"name": 1, "note": ""}', '{"name": "../x", "note": ""}']
)
def test_a_damaged_label_is_none_and_damages_nothing(root, content):
    path = own_run(NAME, root).path
    (path / "label.json").write_text(content)
    assert read_label(path) == ("", "") and own_run(NAME, root).state == "done"


def test_a_run_is_deleted_whole(root):
    delete_run(own_run(NAME, root), root)
    assert [run.name for run in list_runs(root)] == ["digits/gn/seed-2"]
    assert list((root / ".jobs").iterdir()) == []
    delete_run(own_run("digits/gn/seed-2", root), root)
    assert [path.name for path in root.iterdir()] == [".jobs"]


@pytest.mark.parametrize("kind", ["damaged", "fifo"])
def test_what_is_damaged_can_be_deleted(root, kind):
    path = own_run(NAME, root).path
    (path / "run.json").unlink()
    if kind == "fifo":
        manage.os.mkfifo(path / "lock")
    delete_run(own_run(NAME, root), root)
    assert not path.exists()


def test_a_link_is_removed_and_not_what_it_leads_to(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "file").touch()
    (root / "digits/gn/seed-9").symlink_to(elsewhere)
    run = own_run("digits/gn/seed-9", root)
    assert run.state == "damaged"
    with pytest.raises(UsageError, match="is a link"):
        label_run(run, root, "x", "")
    delete_run(run, root)
    assert (elsewhere / "file").exists() and not (root / "digits/gn/seed-9").is_symlink()


def test_what_is_trained_or_waits_is_not_deleted(root):
    run = own_run(NAME, root)
    with FileLock(run.path / "lock"), pytest.raises(UsageError, match="is being trained"):
        delete_run(run, root)
    (run.path / "manifest.json").unlink()
    jobs.register_resume([own_run(NAME, root)], root)
    with pytest.raises(UsageError, match="belongs to job 1"):
        delete_run(run, root)
    assert own_run(NAME, root).state == "interrupted"


@pytest.mark.parametrize(
    "name", ["", "x", "../digits/gn", "digits/gn/seed-7", "/etc/passwd", "a/b/\0", "a/../b"]
)
def test_what_is_no_run_is_refused(root, name):
    with pytest.raises(UsageError, match="No run"):
        own_run(name, root)


def test_a_shipped_run_is_never_changed(root, monkeypatch):
    monkeypatch.setattr("core.training.runs.SHIPPED_DIR", root)
    with pytest.raises(UsageError, match="came with NormLab"):
        own_run(NAME, root)


def test_waiting_runs_are_shown_as_queued(root):
    (root / NAME / "manifest.json").unlink()
    jobs.register(make_request("digits", ["ln"], seeds=(1, 2), epochs=3), root)
    jobs.register_resume([own_run(NAME, root)], root)
    first, second = list_jobs(root)
    found = [*queued_runs(first, root), *queued_runs(second, root)]
    assert [(run.name, run.state, run.epoch, run.epochs) for run in found] == [
        ("digits/ln/seed-1", "queued", 0, 3),
        ("digits/ln/seed-2", "queued", 0, 3),
        (NAME, "queued", 20, 20),
    ]
    assert found[0].reason == "job 1 waits at place 1 of the queue"
    (first.path / "end.json").write_text('{"state": "done", "reason": null}')
    assert queued_runs(list_jobs(root)[-1], root) == []
