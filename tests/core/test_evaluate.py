"""Evaluation in one pass: values, batches, and a network that is given back as it was."""

import numpy as np
import pytest
import torch
from torch import nn

from core.analysis.evaluate import evaluate_logits
from core.analysis.metrics import score
from core.config import VARIANTS
from core.data.datasets import get_dataset
from core.model.network import Network

INFO = get_dataset("mnist")


class MeanPixel(nn.Module):
    """Says `class × mean normalized pixel`, so that logits can be computed by hand."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, images):
        return images.mean(dim=(1, 2, 3), keepdim=False)[:, None] * torch.arange(10.0)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)


def test_logits_by_hand():
    grey = np.stack([np.full((28, 28), value, np.uint8) for value in (0, 255)])
    logits = evaluate_logits(MeanPixel(), grey, INFO)
    black, white = (0 - 0.1307) / 0.3081, (1 - 0.1307) / 0.3081
    assert logits.dtype == np.float32
    assert logits == pytest.approx(np.outer([black, white], np.arange(10)), rel=1e-5)
    assert score(logits, np.array([0, 0]))["errors"] == 1


@pytest.mark.parametrize("key", VARIANTS)
def test_batches_do_not_matter(key, images, monkeypatch):
    """Evaluation mode: no variant's logits depend on the other images of the batch."""
    network = Network(VARIANTS[key])
    whole = evaluate_logits(network, images, INFO)
    monkeypatch.setattr("core.model.inference.BATCH_SIZE", 3)
    assert evaluate_logits(network, images, INFO) == pytest.approx(whole, abs=1e-5)
    assert whole.shape == (7, 10)


def test_network_is_left_unchanged(images):
    network = Network(VARIANTS["bn_l1"]).train()
    network.norm3.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    evaluate_logits(network, images, INFO)
    assert [module.training for module in network.modules()] == modes
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_read_only_images_and_none(images):
    images.flags.writeable = False
    assert evaluate_logits(MeanPixel(), images, INFO).shape == (7, 10)
    assert evaluate_logits(MeanPixel(), images[:0], INFO).shape == (0, 10)
