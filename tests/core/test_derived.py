"""Results kept beside a run: read only for the weights they belong to, and no harm to anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.analysis import derived
from core.analysis.derived import read_derived, write_derived
from core.config import VARIANTS
from core.errors import RunError
from core.training.runs import Run, list_runs, read_manifest, read_run
from tests.fixtures_runs import write_run

DOCUMENT = {"values": [1, 2.5], "words": "µ × 2"}


@pytest.fixture
def run(tmp_path) -> Run:
    return read_run(write_run(tmp_path, "mnist", VARIANTS["gn"], 1), tmp_path)


@pytest.fixture
def unwritable(monkeypatch) -> None:
    """As in a read-only folder, which the superuser does not know."""

    def refuse(path: Path, content: bytes) -> None:
        raise RunError(f"Cannot write {path}")

    monkeypatch.setattr(derived, "write_atomic", refuse)
    monkeypatch.setattr(derived, "_unwritten", {})


def test_what_was_written_is_read(run):
    assert read_derived(run, "robustness") is None
    assert write_derived(run, "robustness", DOCUMENT)
    assert read_derived(run, "robustness") == DOCUMENT
    assert read_derived(run, "other_name") is None
    stored = json.loads((run.path / "robustness.json").read_bytes())
    assert list(stored)[:2] == ["format", "model_sha256"] and len(stored["model_sha256"]) == 64


def test_other_weights_format_or_content_count_as_absent(run):
    write_derived(run, "robustness", DOCUMENT)
    path = run.path / "robustness.json"
    good = path.read_text()
    for bad in ("", "[]", "{", "{}", good.replace('"format":1', '"format":2'), good[:-9]):
        path.write_text(bad)
        assert read_derived(run, "robustness") is None, bad
    path.write_text(good)
    assert read_derived(run, "robustness") == DOCUMENT
    (run.path / "model.safetensors").write_bytes(b"other weights")
    assert read_derived(run, "robustness") is None
    (run.path / "model.safetensors").unlink()
    assert read_derived(run, "robustness") is None
    with pytest.raises(RunError, match="missing"):
        write_derived(run, "robustness", DOCUMENT)


def test_it_changes_nothing_about_the_run(run, tmp_path):
    before, manifest = list_runs(tmp_path), read_manifest(run.path)
    write_derived(run, "robustness", DOCUMENT)
    assert list_runs(tmp_path) == before == [run]
    assert read_manifest(run.path) == manifest
    (run.path / "robustness.json").write_bytes(b"\0")
    assert list_runs(tmp_path) == before


def test_what_cannot_be_written_is_kept_in_memory(run, unwritable):
    assert not write_derived(run, "robustness", DOCUMENT)
    assert not (run.path / "robustness.json").exists()
    found = read_derived(run, "robustness")
    assert found == DOCUMENT
    found["values"].append(3)
    assert read_derived(run, "robustness") == DOCUMENT
    (run.path / "model.safetensors").write_bytes(b"other weights")
    assert read_derived(run, "robustness") is None


def test_a_later_write_replaces_what_memory_holds(run, unwritable, monkeypatch):
    write_derived(run, "robustness", DOCUMENT)
    monkeypatch.undo()
    monkeypatch.setattr(derived, "_unwritten", {(str(run.path), "robustness"): {"old": 1}})
    assert write_derived(run, "robustness", {"new": 1})
    assert read_derived(run, "robustness") == {"new": 1}


@pytest.mark.parametrize("name", ["run", "manifest", "status", "", "a/b", "../a", "A", "a.b"])
def test_names_that_would_hit_other_files_are_refused(run, name):
    before = sorted(run.path.iterdir())
    for call in (lambda: read_derived(run, name), lambda: write_derived(run, name, DOCUMENT)):
        with pytest.raises(ValueError, match="cannot name"):
            call()
    assert sorted(run.path.iterdir()) == before


@pytest.mark.parametrize("bad", [{"x": float("nan")}, {"x": "x" * (1 << 20)}])
def test_what_could_not_be_read_again_is_not_written(run, bad):
    with pytest.raises(ValueError, match="."):
        write_derived(run, "robustness", bad)
    assert read_derived(run, "robustness") is None
