"""What a network says of a set of images, in one pass."""

from __future__ import annotations

import copy

import numpy as np
import torch

from core.data.datasets import DatasetInfo
from core.model.inference import predict_logits
from core.model.network import Network


def evaluate_logits(
    network: Network,
    images: np.ndarray,
    info: DatasetInfo,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """Logits (N, 10) float32 of images (N, 28, 28) uint8, normalized as the data set `info` says.

    A copy of the network does the work, in evaluation mode and on `device`, so that the network's
    own mode, statistics and device stay as they are, even with several callers at once.
    """
    worker = copy.deepcopy(network).to(device)
    # A copy of the images, because arrays of a data set may be read-only.
    return predict_logits(worker, torch.tensor(images), info.mean, info.std).numpy()
