"""Training of torch modules as an optimization problem, with function values or with gradients."""

from __future__ import annotations

from optlab_adapters.torch.training.task import TrainingTask

__all__ = ["TrainingTask"]
