"""A small convolutional codec, trained for rate and distortion, and its constrained form.

    min  l 255^2 mse + bpp                            for a given trade-off l
    min  255^2 mse   subject to   bpp <= b            for a given rate b

The first is one training. The second is an augmented Lagrangian around it: with the multiplier y of the rate, l = 1 / y.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

import optlab
from optlab.errors import OptionError, ParseError, ProblemError
from optlab_adapters.compression.codec import Bytes, as_image
from optlab_adapters.compression.entropy import pack, unpack
from optlab_adapters.compression.linear import MOST_PIXELS, Linear
from optlab_adapters.compression.network import CodecNetwork, Coded
from optlab_adapters.torch.training import TrainingTask

__all__ = ["Learned", "Trained", "Training", "train_codec"]

_HEAD = struct.Struct("<2sHHf")
_MARK = b"CN"


@dataclass(frozen=True, eq=False)
class Learned:
    """A trained network as a codec; latents are quantised with step 2^-setting.

    Attributes
    ----------
    network : CodecNetwork
    setting : float
        0 as trained.
    name : str
    """

    network: CodecNetwork
    setting: float = 0.0
    name: str = "learned"

    span: ClassVar[tuple[float, float]] = (-6.0, 6.0)
    whole: ClassVar[bool] = False

    def at(self, setting: float) -> Learned:
        """Return the codec with step 2^-setting."""
        return replace(self, setting=float(setting))

    def encode(self, image: Bytes) -> bytes:
        """Return the stream of an image.

        Raises
        ------
        ProblemError
            When the image is none, or has another number of channels than those trained on.
        """
        given = as_image(image)
        planes, block = np.atleast_3d(given), self.network.block
        if planes.shape[2] != self.network.channels:
            raise ProblemError(
                f"the image has {planes.shape[2]} channels, the codec was trained on {self.network.channels}"
            )
        if max(given.shape) > 65_535:
            raise ProblemError(f"the image has shape {given.shape}; at most 65,535 pixels fit")
        edges = [(0, -size % block) for size in given.shape[:2]]
        padded = np.pad(planes, [*edges, (0, 0)], mode="edge")
        with torch.no_grad():
            latent = self.network.analysis(_planes(padded[None])) * 2.0**self.setting
        numbers = torch.round(latent)[0].numpy().astype(np.int64)
        # The setting as the decoder will read it.
        head = _HEAD.pack(_MARK, *given.shape[:2], self.setting)
        return head + pack(numbers.reshape(len(numbers), -1))

    def decode(self, stream: bytes) -> Bytes:
        """Return the image of a stream; the network must be the one that wrote it.

        Raises
        ------
        ParseError
            When the stream is damaged.
        """
        if len(stream) < _HEAD.size or stream[:2] != _MARK:
            raise ParseError(f"these {len(stream)} bytes are no stream of a learned codec")
        _, high, wide, setting = _HEAD.unpack_from(stream)
        if not (0 < high * wide <= MOST_PIXELS and abs(setting) <= 64):
            raise ParseError(f"the stream says {high} x {wide} pixels, setting {setting:g}")
        block, rank = self.network.block, self.network.analysis.out_channels
        rows, columns = -(-high // block), -(-wide // block)
        numbers = unpack(stream[_HEAD.size :], (rank, rows * columns))
        latent = torch.as_tensor(numbers.reshape(1, rank, rows, columns) * 2.0**-setting)
        with torch.no_grad():
            decoded = self.network.decode(latent.float())[0].permute(1, 2, 0).numpy()
        pixels = np.rint(np.clip(decoded * 255, 0, 255))[:high, :wide].astype(np.uint8)
        image: Bytes = pixels[..., 0] if pixels.shape[2] == 1 else pixels
        return image


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a codec is trained.

    Attributes
    ----------
    steps : int
        Of Adam, all rounds together.
    rounds : int
        In the constrained form, updates of the multiplier.
    patches, side : int
        How many squares are cut from the images, and their side in pixels.
    batch_size : int
    learning_rate : float
    width : int
        Channels inside the filter.
    seed : int
    """

    steps: int = 600
    rounds: int = 6
    patches: int = 512
    side: int = 64
    batch_size: int = 16
    learning_rate: float = 1e-3
    width: int = 16
    seed: int = 0


@dataclass(frozen=True)
class Trained:
    """A trained codec and what training ended with, on the patches.

    Attributes
    ----------
    codec : Learned
    trade_off : float
        l: given, or the constrained form's 1 / y; inf where the rate does not bind.
    multiplier : float
        y = 1 / l, squared grey levels per bit per pixel.
    bpp, distortion : float
        In the model, with rounding; the distortion is 255^2 mse.
    """

    codec: Learned
    trade_off: float
    multiplier: float
    bpp: float
    distortion: float


def train_codec(
    images: ArrayLike,
    start: Linear,
    *,
    trade_off: float | None = None,
    bpp: float | None = None,
    training: Training | None = None,
) -> Trained:
    """Train a codec from a linear one.

    Parameters
    ----------
    images
        uint8, shape (N, H, W) or (N, H, W, 3), at least ``side`` pixels each way.
    start
        Fitted to images of as many channels.
    trade_off, bpp
        One of them: l of the sum, or the largest rate of the constrained form.
    training
        Steps, patches, seed.

    Raises
    ------
    OptionError
        When both or none of trade_off and bpp are given, or are not positive.
    ProblemError
        For images that are none or too small.
    """
    chosen = training or Training()
    given = trade_off if bpp is None else bpp
    if (trade_off is None) == (bpp is None) or not (given and given > 0 and np.isfinite(given)):
        raise OptionError(
            f"trade_off is {trade_off} and bpp is {bpp}; exactly one positive number is needed"
        )
    patches = _planes(_patches(np.asarray(images), chosen))
    if patches.shape[1] != start.channels:
        raise ProblemError(
            f"the images have {patches.shape[1]} channels, the linear codec {start.channels}"
        )
    # The filter's first weights are random.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(chosen.seed)
        network = CodecNetwork(start, chosen.width)
    if trade_off is not None:
        y = 1 / trade_off
        _fit(network, patches, lambda c, x: _squares(c, x) / y + c.bpp, chosen, chosen.steps)
    else:
        y = _constrained(network, patches, float(given), chosen)
    rate, distortion = _state(network, patches)
    return Trained(Learned(network.eval()), 1 / y if y else float("inf"), y, rate, distortion)


def _constrained(
    network: CodecNetwork, patches: Tensor, bpp: float, training: Training
) -> float:
    """Train by an augmented Lagrangian and return the multiplier of bpp <= b.

    With f scaled by its first value, L = f + (max (0, y + w c)^2 - y^2) / (2 w) and y <- max (0, y + w c), c = bpp / b - 1.
    """
    _, scale = _state(network, patches)
    # A bit more per pixel halves the error at least: a slope of this order is where to begin.
    y, weight = 1.0, 4.0
    for _ in range(training.rounds):

        def lagrangian(coded: Coded, images: Tensor, y: float = y) -> Tensor:
            shifted = torch.clamp(y + weight * (coded.bpp / bpp - 1), min=0)
            return _squares(coded, images) / scale + (shifted**2 - y**2) / (2 * weight)

        _fit(network, patches, lagrangian, training, training.steps // training.rounds)
        rate, _ = _state(network, patches)
        y = max(0.0, y + weight * (rate / bpp - 1))
    return y * scale / bpp


def _fit(
    network: CodecNetwork, patches: Tensor, loss: Any, training: Training, steps: int
) -> None:
    network.train()
    task = TrainingTask(
        network, loss, (patches, patches), batch_size=training.batch_size, seed=training.seed, reuse=False
    )  # fmt: skip
    optlab.minimize(
        task, method="adam", max_iter=steps, seed=training.seed, options={"learning_rate": training.learning_rate}
    )  # fmt: skip


def _state(network: CodecNetwork, patches: Tensor) -> tuple[float, float]:
    """Return rate and distortion with rounding."""
    network.eval()
    with torch.no_grad():
        coded = network(patches)
        return float(coded.bpp), float(_squares(coded, patches))


def _squares(coded: Coded, images: Tensor) -> Tensor:
    return 255**2 * torch.mean((coded.decoded - images) ** 2)


def _patches(images: NDArray[Any], training: Training) -> NDArray[Any]:
    """Cut squares at random places."""
    if images.ndim not in (3, 4) or len(images) == 0:
        raise ProblemError(
            f"images have shape {images.shape}; (N, H, W) or (N, H, W, 3) is needed"
        )
    as_image(images[0])
    high, wide = images.shape[1:3]
    side = training.side
    if min(high, wide) < side:
        raise ProblemError(f"images of {high} x {wide} pixels have no squares of {side}")
    rng = np.random.default_rng(training.seed)
    cut = []
    for _ in range(training.patches):
        top, left = rng.integers(high - side + 1), rng.integers(wide - side + 1)
        cut.append(images[rng.integers(len(images)), top : top + side, left : left + side])
    return np.array(cut)


def _planes(images: NDArray[Any]) -> Tensor:
    """Return images (N, H, W) or (N, H, W, C) in [0, 1] as a tensor (N, C, H, W)."""
    planes = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return torch.as_tensor(np.ascontiguousarray(planes), dtype=torch.float32) / 255
