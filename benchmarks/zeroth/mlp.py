"""A small network on small data, in NumPy: the test bed of the zeroth-order benchmarks.

    p(x) = softmax(W2' act(W1' x + b1) + b2),     loss = mean over a batch of -log p(x)[label]

The d = (inputs + 1) hidden + (hidden + 1) classes parameters lie in one float64 vector in the order W1, b1, W2, b2:
64-8-10 has 610, 64-32-10 has 2,410. Values of many displaced points are cheap: a displacement of one coordinate
changes one hidden unit or one class, so that the rest of the forward pass is reused; dense displacements share
the products of the first layer as one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.sampled import AbstractSampled, Block
from optlab.core.shifts import AbstractShifts, CoordinateShifts

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from optlab.core.problem import Problem
    from optlab.typing import Indices, Vector

_CHUNK = 2_000_000
"""Hidden activations held at once when dense displacements are evaluated (16 MB)."""


@dataclass(frozen=True)
class MLP:
    """Network with one hidden layer; parameters are passed in, flat."""

    inputs: int = 64
    hidden: int = 8
    classes: int = 10
    activation: str = "tanh"
    """"tanh" or "relu"."""

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """W1, b1, W2, b2."""
        i, h, c = self.inputs, self.hidden, self.classes
        return (
            Block("W1", (i, h), 0),
            Block("b1", (h,), i * h, prunable=False),
            Block("W2", (h, c), (i + 1) * h),
            Block("b2", (c,), (i + 1) * h + h * c, prunable=False),
        )

    @property
    def n(self) -> int:
        """Number of parameters."""
        return self.blocks[-1].stop

    def parts(self, parameters: Vector) -> list[Vector]:
        """Cut (..., n) parameters into views of W1, b1, W2, b2."""
        lead = parameters.shape[:-1]
        return [parameters[..., b.start : b.stop].reshape(*lead, *b.shape) for b in self.blocks]

    def init(self, seed: int) -> Vector:
        """Draw start weights of variance 1 / fan-in (tanh) or 2 / fan-in (relu); biases 0."""
        rng = np.random.default_rng([seed, 1])
        gain = 1.0 if self.activation == "tanh" else 2.0
        x = np.zeros(self.n)
        W1, _, W2, _ = self.parts(x)
        W1[:] = np.sqrt(gain / self.inputs) * rng.standard_normal(W1.shape)
        W2[:] = np.sqrt(1.0 / self.hidden) * rng.standard_normal(W2.shape)
        return x

    def logits(self, x: Vector, inputs: Vector) -> Vector:
        """Return (samples, classes)."""
        W1, b1, W2, b2 = self.parts(x)
        return np.asarray(self._act(inputs @ W1 + b1) @ W2 + b2)

    def loss(self, x: Vector, inputs: Vector, labels: Indices) -> float:
        """Return the mean cross-entropy."""
        return float(_cross_entropy(self.logits(x, inputs)[None], labels)[0])

    def accuracy(self, x: Vector, inputs: Vector, labels: Indices) -> float:
        """Return the share of right answers in percent."""
        return float(100.0 * np.mean(self.logits(x, inputs).argmax(axis=1) == labels))

    def gradient(self, x: Vector, inputs: Vector, labels: Indices) -> tuple[float, Vector]:
        """Return the loss and its exact gradient by back-propagation."""
        W1, b1, W2, b2 = self.parts(x)
        a = self._act(inputs @ W1 + b1)
        z = a @ W2 + b2
        loss = float(_cross_entropy(z[None], labels)[0])
        dz = np.exp(z - _log_sum_exp(z)[:, None])
        dz[np.arange(labels.size), labels] -= 1.0
        dz /= labels.size
        da = dz @ W2.T
        da *= 1.0 - a * a if self.activation == "tanh" else a > 0.0
        parts = (inputs.T @ da, da.sum(axis=0), a.T @ dz, dz.sum(axis=0))
        return loss, np.concatenate([p.ravel() for p in parts])

    def losses(
        self, x: Vector, shifts: AbstractShifts, inputs: Vector, labels: Indices
    ) -> Vector:
        """Return the losses (k,) at the displaced points, reusing what they share."""
        if isinstance(shifts, CoordinateShifts):
            return self._coordinate_losses(x, shifts, inputs, labels)
        chunk = max(1, _CHUNK // (labels.size * self.hidden))
        starts = range(0, len(shifts), chunk)
        parts = [
            self._dense_losses(shifts.points(x, s, s + chunk), inputs, labels) for s in starts
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _dense_losses(self, points: Vector, inputs: Vector, labels: Indices) -> Vector:
        """All first layers side by side are one matrix product."""
        W1, b1, W2, b2 = self.parts(points)
        k = len(points)
        side_by_side = W1.transpose(1, 0, 2).reshape(self.inputs, k * self.hidden)
        a = (inputs @ side_by_side).reshape(labels.size, k, self.hidden).transpose(1, 0, 2)
        return _cross_entropy(self._act(a + b1[:, None]) @ W2 + b2[:, None], labels)

    def _coordinate_losses(
        self, x: Vector, shifts: CoordinateShifts, inputs: Vector, labels: Indices
    ) -> Vector:
        """Redo only what changes: one hidden unit for a first-layer weight, one logit for a second-layer one."""
        W1, b1, W2, b2 = self.parts(x)
        z1 = inputs @ W1 + b1
        a = self._act(z1)
        z2 = a @ W2 + b2
        lse = _log_sum_exp(z2)
        values = np.empty(len(shifts))

        index, step = shifts.index, shifts.step
        second = index >= self.blocks[2].start
        # d logit[:, c] = step * source, where the source is a hidden unit or, for a bias, 1.
        place = index[second] - self.blocks[2].start
        source = np.concatenate([a, np.ones((labels.size, 1))], axis=1)
        change = step[second] * source[:, place // self.classes]
        c = place % self.classes
        p = np.exp(z2 - lse[:, None])[:, c]
        gain = np.log1p(p * np.expm1(change)) - change * (labels[:, None] == c)
        rest = lse - z2[np.arange(labels.size), labels]
        values[second] = rest.mean() + gain.mean(axis=0)

        first = np.flatnonzero(~second)
        source = np.concatenate([inputs, np.ones((labels.size, 1))], axis=1)
        chunk = max(1, _CHUNK // (labels.size * self.classes))
        for s in range(0, first.size, chunk):
            some = first[s : s + chunk]
            unit = index[some] % self.hidden
            moved = self._act(z1[:, unit] + step[some] * source[:, index[some] // self.hidden])
            z = z2[None] + (moved - a[:, unit]).T[:, :, None] * W2[unit][:, None, :]
            values[some] = _cross_entropy(z, labels)
        return values

    def _act(self, z: Vector) -> Vector:
        return np.tanh(z) if self.activation == "tanh" else np.maximum(z, 0.0)


def _log_sum_exp(z: Vector) -> Vector:
    """Over the last axis, safe from overflow."""
    top = z.max(axis=-1)
    return np.asarray(top + np.log(np.exp(z - top[..., None]).sum(axis=-1)))


def _cross_entropy(z: Vector, labels: Indices) -> Vector:
    """Logits (k, samples, classes) -> mean losses (k,)."""
    right = z[:, np.arange(labels.size), labels]
    return np.asarray((_log_sum_exp(z) - right).mean(axis=1))


# Data ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Split:
    """Training and test samples."""

    inputs: Vector
    labels: Indices
    test_inputs: Vector
    test_labels: Indices


def split(inputs: Vector, labels: Indices, seed: int, test: float = 0.25) -> Split:
    """Shuffle by seed and hold out a share for the test."""
    order = np.random.default_rng([seed, 0]).permutation(labels.size)
    held, kept = np.split(order, [round(test * labels.size)])
    return Split(inputs[kept], labels[kept], inputs[held], labels[held])


def digits(seed: int) -> Split:
    """Return scikit-learn's 1,797 images of 8 x 8 pixels in [0, 1]: 1,348 to train, 449 to test."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - the model works without it

    data: Any = load_digits()
    return split(data.data / 16.0, data.target, seed)


# As an objective ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class MLPTask(AbstractSampled):
    """The training loss of a network, by minibatches; every epoch is a fresh shuffle."""

    model: MLP
    data: Split
    batch_size: int = 128
    seed: int = 0
    has_gradient = True

    @property
    def steps_per_epoch(self) -> int:  # type: ignore[override]
        """Minibatches in an epoch, equal in size to one sample."""
        return -(-self.data.labels.size // self.batch_size)

    @property
    def blocks(self) -> tuple[Block, ...]:  # type: ignore[override]
        """The layers."""
        return self.model.blocks

    def batch(self, key: int | None) -> tuple[Vector, Indices]:
        """Return inputs and labels of minibatch ``key``, None: all."""
        data = self.data
        if key is None:
            return data.inputs, data.labels
        epoch, place = divmod(key, self.steps_per_epoch)
        order = _shuffle(data.labels.size, self.seed, epoch)
        some = np.array_split(order, self.steps_per_epoch)[place]
        return data.inputs[some], data.labels[some]

    def values(
        self,
        x: Vector,
        shifts: AbstractShifts,
        key: int | None,
        executor: Executor | None = None,  # noqa: ARG002 - too cheap to send away
    ) -> Vector:
        """Return the losses of one minibatch at the displaced points."""
        return self.model.losses(x, shifts, *self.batch(key))

    def gradient(self, x: Vector, key: int | None) -> tuple[float, Vector]:
        """Return the loss of one minibatch and its gradient."""
        return self.model.gradient(x, *self.batch(key))

    def loss(self, x: Vector) -> float:
        """Return the loss over all training samples."""
        return self.model.loss(x, self.data.inputs, self.data.labels)

    def test_accuracy(self, x: Vector) -> float:
        """Return the share of right answers on the test samples, percent."""
        return self.model.accuracy(x, self.data.test_inputs, self.data.test_labels)

    def problem(self) -> Problem:
        """Return the task as a problem that starts from the network's initial weights."""
        from optlab.core.problem import Problem  # noqa: PLC0415

        return Problem(objective=self.loss, x0=self.model.init(self.seed), sampled=self)


@lru_cache(maxsize=4)
def _shuffle(samples: int, seed: int, epoch: int) -> Indices:
    return np.random.default_rng([seed, 2, epoch]).permutation(samples)


def digits_task(
    hidden: int, seed: int, batch_size: int = 128, activation: str = "tanh"
) -> MLPTask:
    """Return the training of 64-hidden-10 on digits, split and initialized by seed."""
    return MLPTask(MLP(hidden=hidden, activation=activation), digits(seed), batch_size, seed)
