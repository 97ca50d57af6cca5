"""The joint training step in PyTorch: same losses, AdamW, schedule, clipping, averaged weights."""

import math

import torch
from torch import nn
from torch.nn import functional

from benchmarks.torch_peer.layers import box_mean, dense_warp, half_size, spatial_gradient

BORDER = 3  # samples at the image border that are not compared


class Training:
    """Trains an `FrlDgt` on batches that are there.

    Args:
        model: `FrlDgt`.
        options: `TrainingOptions` with presets filled in.
        steps: int, length of the learning-rate schedule.
        compiled: bool; the loss, and with it the model, goes through `torch.compile`.
        bfloat16: bool; convolutions and products in bfloat16.
    Raises:
        ValueError: for losses the peer does not have.
    """

    def __init__(self, model, options, steps, compiled=False, bfloat16=False):
        if options.reconstruction != "photometric" or options.dgm == "frozen":
            raise ValueError(
                "the PyTorch peer knows --reconstruction photometric and --dgm joint or two-stage"
            )
        self.model = model.to(memory_format=torch.channels_last)
        self.options, self.bfloat16 = options, bfloat16
        size = 2 * model.double_smooth.columns.shape[0]
        self.self_supervision = SelfSupervision(size, options.edge)
        self._loss = torch.compile(self.loss, dynamic=False) if compiled else self.loss
        self.parameters = list(model.parameters())
        groups: dict = {}  # only kernels decay: no biases, norms and positions
        for name, parameter in model.named_parameters():
            decays = name.endswith("weight") and parameter.ndim > 1
            rate = options.dgm_rate if name.startswith("generator.") else 1.0
            decay = options.weight_decay if decays else 0.0
            groups.setdefault((rate * options.learning_rate, decay), []).append(parameter)
        self.optimizer = torch.optim.AdamW(
            [{"params": each, "lr": lr, "weight_decay": w} for (lr, w), each in groups.items()],
            lr=options.learning_rate,
            eps=1e-7,
            fused=True,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, _warmup_cosine(steps))
        self.average = [parameter.detach().clone() for parameter in self.parameters]
        self.steps = 0

    def loss(self, batch):
        """Mean loss of a batch: cross-entropy, and the generator's self-supervision."""
        options = self.options
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            logits, half = self.model(batch["onset"], batch["apex"], batch["regions"])
        smoothing = options.label_smoothing
        entropy = functional.cross_entropy(logits, batch["label"], label_smoothing=smoothing)
        reconstruction, smooth = self.self_supervision(batch["onset"], batch["apex"], half)
        own = reconstruction.mean() + options.smoothness * smooth.mean()
        return entropy + options.dgm_weight * own

    def step(self, batch):
        """One step; returns the loss as a tensor."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.steps += 1
        keep = min(self.options.weight_average, self.steps / (self.steps + 10.0))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, 1.0 - keep)
        return loss.detach()

    def run(self, batch, steps):
        """The mean loss of so many steps on one batch."""
        self.model.train()
        return float(sum(self.step(batch) for _ in range(steps)) / steps)


def _warmup_cosine(steps):
    def share(step):
        done = step / max(steps, 1)
        return min(1.0, 20.0 * done + 0.05) * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))

    return share


class SelfSupervision(nn.Module):
    """As `me_keras.losses.self_supervision` with `photometric`: two losses `(b,)`."""

    def __init__(self, image_size, edge):
        super().__init__()
        self.edge = edge
        self.half_size = half_size(image_size, 3)
        self.mean = box_mean(image_size // 2, 9)

    def forward(self, onset, apex, half):
        onset, apex = self.half_size(onset), self.half_size(apex)
        warped = dense_warp(apex, 0.5 * half)
        return self.photometric(onset, warped), self.smoothness(onset, half)

    def photometric(self, onset, warped):
        """How far the warped apex is from the onset, relative to the local contrast."""
        difference = warped - onset
        difference = difference - self.mean(difference)
        contrast = torch.sqrt(self.mean((onset - self.mean(onset)) ** 2))
        inside = _charbonnier(difference / (contrast + 0.02), 0.05)
        return inside[..., BORDER:-BORDER, BORDER:-BORDER].mean(dim=(1, 2, 3))

    def smoothness(self, onset, displacement):
        """First-order smoothness, relaxed at the onset's edges."""
        total = 0.0
        pairs = zip(spatial_gradient(onset), spatial_gradient(displacement))
        for image_gradient, field_gradient in pairs:
            weight = torch.exp(-self.edge * image_gradient.abs())
            total = total + (weight * _charbonnier(field_gradient, 1e-2)).mean(dim=(1, 2, 3))
        return 0.5 * total


def _charbonnier(x, epsilon):
    return torch.sqrt(x**2 + epsilon**2)
