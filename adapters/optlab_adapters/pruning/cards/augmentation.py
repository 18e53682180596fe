"""Augmentations of images in [0, 1], for ``TrainingTask(augment=...)`` and for the references of a deck.

Images are tensors (N, channels, height, width). Random numbers come from the generator only; every image has its own.

=================  =============================================================================================
``unchanged``      x
``GaussianNoise``  clip(x + s e),  e standard normal in every pixel
``AugMix``         m x + (1 - m) sum_k w_k chain_k(x),  w from Dirichlet(1, ..., 1), m uniform: the Beta(1, 1) law
=================  =============================================================================================

The mixing is that of [HMCZGL20]. Its chains are our own composition of seven simple operations, none of which is among the
common corruptions that robustness is judged by.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from optlab.errors import OptionError, ProblemError

__all__ = ["AugMix", "GaussianNoise", "unchanged"]

_LEVEL = 1.0 / 255.0

_Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From images and strengths in [-1, 1], (N,), to images."""


def unchanged(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG001
    """Return the images as they are: the augmentation of a card that knows clean data only."""
    return inputs


@dataclass(frozen=True)
class GaussianNoise:
    """Normal noise.

    Parameters
    ----------
    deviation : float
        Standard deviation, for pixels in [0, 1].
    clean : float
        Probability that an image stays as it is.
    """

    deviation: float = 0.1
    clean: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.deviation < math.inf:
            raise OptionError(f"deviation is {self.deviation!r}; a positive number is needed")
        if not 0.0 <= self.clean < 1.0:
            raise OptionError(f"clean is {self.clean!r}; a probability below 1 is needed")

    def __call__(self, inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return noisy images."""
        _checked(inputs)
        noise = torch.randn(inputs.shape, generator=generator, dtype=inputs.dtype)
        noisy = (_uniform(len(inputs), generator) >= self.clean).to(inputs)
        return (inputs + self.deviation * _wide(noisy) * noise).clamp(0.0, 1.0)


@dataclass(frozen=True)
class AugMix:
    """Mixtures of an image with chains of operations on it.

    Parameters
    ----------
    width : int
        Number of chains.
    depth : (int, int)
        Smallest and largest number of operations of a chain.
    severity : float
        Largest strength of an operation, in (0, 10]; the strengths are uniform from 0.1 to it.
    """

    width: int = 3
    depth: tuple[int, int] = (1, 3)
    severity: float = 3.0

    def __post_init__(self) -> None:
        if self.width < 1:
            raise OptionError(f"width is {self.width!r}; at least one chain is needed")
        least, most = self.depth
        if not 1 <= least <= most:
            raise OptionError(f"depth is {self.depth!r}; 1 <= least <= most is needed")
        if not 0.1 <= self.severity <= 10.0:
            raise OptionError(f"severity is {self.severity!r}; a number in [0.1, 10] is needed")

    def __call__(self, inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return mixtures."""
        _checked(inputs)
        count = len(inputs)
        # Exponential variables over their sum have the law Dirichlet(1, ..., 1).
        shares = -torch.log1p(-_uniform(count * self.width, generator)).view(self.width, count)
        shares = (shares / shares.sum(dim=0)).to(inputs)
        stay = _wide(_uniform(count, generator).to(inputs))
        mixed = torch.zeros_like(inputs)
        for share in shares:
            mixed += _wide(share) * self._chain(inputs, generator)
        return (stay * inputs + (1.0 - stay) * mixed).clamp(0.0, 1.0)

    def _chain(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Apply to every image a number of operations of its own."""
        count, (least, most) = len(images), self.depth
        lengths = torch.randint(least, most + 1, (count,), generator=generator)
        for place in range(most):
            which = torch.randint(len(_OPERATIONS), (count,), generator=generator)
            # Always the same number of draws, so that an image's numbers do not depend on the others' lengths.
            size = 0.1 + (self.severity - 0.1) * _uniform(count, generator)
            sign = torch.where(_uniform(count, generator) < 0.5, -1.0, 1.0)
            strength = (sign * size / 10.0).to(images)
            which = torch.where(lengths > place, which, -1)
            images = images.clone()
            for number, operation in enumerate(_OPERATIONS):
                those = which == number
                if bool(those.any()):
                    images[those] = operation(images[those], strength[those])
        return images


def _uniform(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator, dtype=torch.float64)


def _wide(values: torch.Tensor) -> torch.Tensor:
    """Shape one number for each image, (N,), as (N, 1, 1, 1)."""
    return values[:, None, None, None]


def _checked(inputs: torch.Tensor) -> None:
    if inputs.ndim != 4 or not inputs.is_floating_point():
        raise ProblemError(
            f"inputs are {inputs.dtype} of shape {tuple(inputs.shape)}; floating-point images "
            "(N, channels, height, width) with values in [0, 1] are needed"
        )


# Operations -----------------------------------------------------------------------------------------


def _moved(images: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Sample images at places moved by an affine map of [-1, 1]^2, (N, 2, 3), mirrored at their borders."""
    grid = torch.nn.functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(
        images, grid, padding_mode="reflection", align_corners=False
    )


def _affine(rows: tuple[float | torch.Tensor, ...], strength: torch.Tensor) -> torch.Tensor:
    """Fill matrices, (N, 2, 3), with numbers or with one number for each image."""
    entries = [torch.zeros_like(strength) + entry for entry in rows]
    return torch.stack(entries, dim=1).view(-1, 2, 3)


def _rotate(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """By up to 30 degrees."""
    cosine, sine = (f(strength * math.radians(30.0)) for f in (torch.cos, torch.sin))
    return _moved(images, _affine((cosine, -sine, 0.0, sine, cosine, 0.0), strength))


def _shear_x(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """By up to 0.3."""
    return _moved(images, _affine((1.0, 0.3 * strength, 0.0, 0.0, 1.0, 0.0), strength))


def _shear_y(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """By up to 0.3."""
    return _moved(images, _affine((1.0, 0.0, 0.0, 0.3 * strength, 1.0, 0.0), strength))


def _translate(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Along the diagonals, by up to a third of the size in either direction (the range [-1, 1] has length 2)."""
    shift = strength * 2.0 / 3.0
    return _moved(images, _affine((1.0, 0.0, shift, 0.0, 1.0, shift.abs()), strength))


def _posterize(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Round to 2^b levels, b from 8 to 4."""
    levels = _wide(2.0 ** (8.0 - 4.0 * strength.abs())).floor() - 1.0
    return torch.round(images * levels) / levels


def _solarize(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Turn what is brighter than 1 - |strength| round."""
    return torch.where(images > 1.0 - _wide(strength.abs()), 1.0 - images, images)


def _autocontrast(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """Stretch every channel to [0, 1]; one whose contrast is below a level of 8 bits, such as that of rounding, stays."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    contrast = high - low
    stretched = (images - low) / contrast.clamp(min=_LEVEL)
    return torch.where(contrast >= _LEVEL, stretched, images)


_OPERATIONS: tuple[_Operation, ...] = (
    _rotate,
    _shear_x,
    _shear_y,
    _translate,
    _posterize,
    _solarize,
    _autocontrast,
)
