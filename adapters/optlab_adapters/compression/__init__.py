"""Image codecs on images that are not like those they were made for [NIC23].

:class:`Jpeg`, :class:`Jpeg2000`, :class:`WebP`, :class:`Avif` and the transform codec :class:`Linear` share one protocol,
:class:`Codec`; :func:`rate_control` brings them to a rate.
"""

from __future__ import annotations

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
from optlab_adapters.compression.linear import Linear
from optlab_adapters.compression.quality import ms_ssim, psnr
from optlab_adapters.compression.rate import Controlled, rate_control

__all__ = [
    "Allocation",
    "Avif",
    "Codec",
    "Components",
    "Controlled",
    "Jpeg",
    "Jpeg2000",
    "Linear",
    "LinearErrors",
    "VariableRate",
    "WebP",
    "allocate",
    "allocation_problem",
    "bits_per_pixel",
    "laplace_rate_distortion",
    "ms_ssim",
    "pca_problem",
    "psnr",
    "rate_control",
    "reverse_water_filling",
]
