"""What a network says of a set of images, in one pass."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from core.config import NUM_CLASSES
from core.data.augmentation import normalize
from core.data.datasets import DatasetInfo


@torch.inference_mode()
def evaluate_logits(
    network: nn.Module,
    images: np.ndarray,
    info: DatasetInfo,
    device: torch.device | str = "cpu",
    batch_size: int = 1000,
) -> np.ndarray:
    """Logits (N, 10) float32 of images (N, 28, 28) uint8, normalized as the data set `info` says.

    A copy of the network does the work, in evaluation mode and on `device`, so that the network's
    own mode, statistics and device stay as they are, even with several callers at once.
    """
    worker = copy.deepcopy(network).to(device).eval()
    logits = np.empty((len(images), NUM_CLASSES), np.float32)
    for start in range(0, len(images), batch_size):
        batch = torch.tensor(images[start : start + batch_size], device=device)
        output = worker(normalize(batch, info.mean, info.std))
        logits[start : start + batch_size] = output.cpu().numpy()
    return logits
