"""Listings that stay up to date while results are being stored beside the runs."""

from pathlib import Path

from core.config import VARIANTS
from core.training.runs import INSIGHTS_FILE, read_run
from tests.fixtures_runs import write_run
from ui import resources


def test_a_file_that_vanishes_while_it_is_listed_harms_nothing(fake_checkpoints, monkeypatch):
    root = fake_checkpoints({"digits": (1,)}, num_images=20)
    before = resources._fingerprint(root / "digits")
    (root / "digits/gn/seed-1/robustness.json.tmp").touch()
    lstat = Path.lstat

    def vanished(path: Path):
        if path.suffix == ".tmp":
            raise FileNotFoundError(path)
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", vanished)
    assert resources._fingerprint(root / "digits") == before
    assert len(resources.runs("digits")) == 6
    (root / "digits/gn/seed-1/robustness.json").write_text("{}")
    assert resources._fingerprint(root / "digits") != before


def test_insights_follow_a_run_that_is_being_trained(tmp_path):
    path = write_run(tmp_path, "digits", VARIANTS["gn"], 1, insights=True)
    (path / "manifest.json").unlink()
    run, file = read_run(path, tmp_path), path / INSIGHTS_FILE
    lines = file.read_text().splitlines(keepends=True)
    for count in (3, 4, 0):
        file.write_text("".join(lines[:count]))
        assert resources.insights(run)["epoch"].nunique() == count
    file.unlink()
    assert resources.insights(run).empty
    file.mkdir()
    assert resources.insights(run).empty
