"""The published figures agree with one another and cover the six variants."""

import pytest

from core import published
from core.config import NUM_CLASSES, VARIANTS


def test_summary_covers_the_six_in_order():
    assert list(published.SUMMARY) == list(VARIANTS)


@pytest.mark.parametrize("key", VARIANTS)
def test_history_has_every_epoch_and_gives_the_summary(key):
    epochs = published.history().query("variant == @key")
    figures = published.SUMMARY[key]
    assert epochs["epoch"].tolist() == list(range(1, VARIANTS[key].epochs + 1))
    assert epochs["test_accuracy_percent"].max() == figures.best_accuracy_percent
    assert epochs["test_accuracy_percent"].iloc[-1] == figures.last_accuracy_percent
    assert epochs["test_loss"].iloc[-1] == figures.last_test_loss


def test_history_has_135_epochs_and_no_gap():
    history = published.history()
    assert len(history) == 135 and not history.isna().any(axis=None)


@pytest.mark.parametrize("key", VARIANTS)
def test_class_accuracy_averages_to_the_last_epoch(key):
    """Weighted by the class sizes of the MNIST test set; a published figure has two decimals."""
    sizes = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    rows = published.class_accuracy().query("variant == @key")
    assert rows["class"].tolist() == list(range(NUM_CLASSES))
    mean = (rows["test_accuracy_percent"] * sizes).sum() / sum(sizes)
    assert mean == pytest.approx(published.SUMMARY[key].last_accuracy_percent, abs=0.006)


def test_speed_in_words():
    assert published.SUMMARY["gn"].seconds_per_epoch == 23
