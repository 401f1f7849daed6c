"""What a trained network says of a whole set of images, in one pass."""

from __future__ import annotations

import torch
from torch import Tensor

from core.data.augmentation import normalize
from core.model.network import Network

BATCH_SIZE = 250


@torch.inference_mode()
def predict_logits(network: Network, images: Tensor, mean: float, std: float) -> Tensor:
    """Logits (N, 10) float32 on the CPU for 8-bit `images` (N, 28, 28), in evaluation mode.

    Works on the network's device. Its mode is restored and its statistics are not touched, also
    after an exception.
    """
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    try:
        batches = images.to(device).split(BATCH_SIZE)
        return torch.cat([network(normalize(batch, mean, std)).cpu() for batch in batches])
    finally:
        network.train(was_training)
