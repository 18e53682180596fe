"""Image codecs on images that are not like those they were made for [NIC23].

:class:`Jpeg`, :class:`Jpeg2000`, :class:`WebP`, :class:`Avif` and the transform codec :class:`Linear` share one protocol,
:class:`Codec`; :func:`rate_control` brings them to a rate, :func:`spectral_report`
measures them under corruptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab_adapters.compression.allocation import (
    Allocation,
    allocate,
    allocation_problem,
    laplace_rate_distortion,
    reverse_water_filling,
)
from optlab_adapters.compression.classic import Avif, Jpeg, Jpeg2000, WebP
from optlab_adapters.compression.codec import Codec, VariableRate, bits_per_pixel
from optlab_adapters.compression.components import Components, LinearErrors, pca_problem
from optlab_adapters.compression.errors import GROUPS, error_spectrum, group_of
from optlab_adapters.compression.linear import Linear
from optlab_adapters.compression.quality import ms_ssim, psnr
from optlab_adapters.compression.rate import Controlled, rate_control
from optlab_adapters.compression.report import CodecReport, Measured, Spectra
from optlab_adapters.compression.study import spectral_report
from optlab_adapters.lazy import names_of

if TYPE_CHECKING:
    from optlab_adapters.compression.learned import Learned, Trained, Training, train_codec

__all__ = [
    "GROUPS",
    "Allocation",
    "Avif",
    "Codec",
    "CodecReport",
    "Components",
    "Controlled",
    "Jpeg",
    "Jpeg2000",
    "Learned",
    "Linear",
    "LinearErrors",
    "Measured",
    "Spectra",
    "Trained",
    "Training",
    "VariableRate",
    "WebP",
    "allocate",
    "allocation_problem",
    "bits_per_pixel",
    "error_spectrum",
    "group_of",
    "laplace_rate_distortion",
    "ms_ssim",
    "pca_problem",
    "psnr",
    "rate_control",
    "reverse_water_filling",
    "spectral_report",
    "train_codec",
]

_LAZY = dict.fromkeys(("Learned", "Trained", "Training", "train_codec"), "learned")
"""Names that need torch -> module."""

__getattr__ = names_of(
    __name__, {name: f"{__name__}.{module}" for name, module in _LAZY.items()}
)
