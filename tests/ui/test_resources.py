"""Listings that stay up to date while results are being stored beside the runs."""

from pathlib import Path

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
