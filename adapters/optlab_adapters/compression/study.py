"""Measure codecs on images and on damaged images, each at a rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optlab.errors import OptionError, ProblemError
from optlab_adapters.compression.codec import Codec, as_image, bits_per_pixel
from optlab_adapters.compression.errors import Compat, error_spectrum, group_of
from optlab_adapters.compression.linear import Linear
from optlab_adapters.compression.quality import ms_ssim, psnr, scales_for
from optlab_adapters.compression.rate import rate_control
from optlab_adapters.compression.report import CodecReport, Measured, Spectra

if TYPE_CHECKING:
    from optlab_adapters.robustness.suite import CorruptionSuite

__all__ = ["spectral_report"]


@dataclass(frozen=True)
class _Decoded:
    """Images after a codec: shape (N, ...), and for each its rate and its codec."""

    images: NDArray[Any]
    bpp: NDArray[Any]
    codecs: tuple[Codec, ...]


def spectral_report(
    codecs: Sequence[Codec],
    images: ArrayLike,
    suite: CorruptionSuite,
    *,
    bpp: float | None = None,
    compat: Compat | None = None,
) -> CodecReport:
    """Measure rates, PSNR, MS-SSIM and spectra of errors of codecs under corruptions.

    Parameters
    ----------
    codecs
        With different names. A :class:`Linear` that is not fitted is fitted to the images; the report says so.
    images
        uint8, shape (N, H, W) or (N, H, W, 3).
    suite
        Which corruptions, how strong.
    bpp
        Each image, damaged or not, is encoded with the finest setting of at most this many bits per pixel, or the coarsest where
        all take more (counted in the report). None: every codec at its own setting.
    compat
        How spectra are computed, see :func:`error_spectrum`.

    Raises
    ------
    ProblemError
        For images that are none.
    OptionError
        For no codecs, codecs of the same name, or a rate that is none.
    CapabilityError
        When ``bpp`` is given and a codec has one rate only.
    """
    clean = np.asarray(images)
    if clean.ndim not in (3, 4) or len(clean) == 0:
        raise ProblemError(
            f"images have shape {clean.shape}; (N, H, W) or (N, H, W, 3) with N >= 1 is needed"
        )
    as_image(clean[0])
    names = [codec.name for codec in codecs]
    if not names or len(set(names)) < len(names):
        raise OptionError(
            f"codecs have the names {names}; at least one codec, and different names, are needed"
        )
    fitted = [codec.name for codec in codecs if _lacks_transform(codec)]
    ready = [codec.fit(clean) if _lacks_transform(codec) else codec for codec in codecs]  # type: ignore[attr-defined]
    before = [_code(codec, clean, bpp) for codec in ready]
    rows = [_row(c.name, None, clean, clean, b) for c, b in zip(ready, before, strict=True)]
    spectra = [
        Spectra(c.name, "D", "clean", error_spectrum(b.images, clean, compat=compat))
        for c, b in zip(ready, before, strict=True)
    ]
    for case in suite:
        damaged = suite.apply(clean, *case)
        for codec, source in zip(ready, before, strict=True):
            after = _code(codec, damaged, bpp)
            row = _row(codec.name, case, clean, damaged, after)
            rows.append(replace(row, fixed_bpp=_rate(source.codecs, damaged)))
            place = f"{case[0]} {case[1]}"
            spectra += [
                Spectra(codec.name, kind, place, error_spectrum(after.images, other, compat=compat, standard=clean))
                for kind, other in (("G", damaged), ("R", clean))
            ]  # fmt: skip
    setting = {
        "bpp": bpp, "compat": compat, "images": len(clean), "shape": list(clean.shape[1:]), "fitted": fitted,
        "scale": suite.scale, "seed": int(suite.seed), "severities": list(suite.levels),
    }  # fmt: skip
    return CodecReport(tuple(rows), tuple(spectra), setting)


def _lacks_transform(codec: Codec) -> bool:
    return isinstance(codec, Linear) and codec.components is None


def _code(codec: Codec, images: NDArray[Any], bpp: float | None) -> _Decoded:
    """Encode and decode all images."""
    decoded, rates, used = [], [], []
    for image in images:
        at, stream = codec, b""
        if bpp is None:
            stream = codec.encode(image)
        else:
            # The check for settings is that of rate control.
            found = rate_control(codec, image, bpp, nearest=True)  # type: ignore[arg-type]
            at, stream = found.codec, found.stream
        result = at.decode(stream)
        if result.shape != image.shape:
            raise ProblemError(
                f"{codec.name} decoded an image of shape {image.shape} to {result.shape}"
            )
        decoded.append(result)
        rates.append(bits_per_pixel(stream, image))
        used.append(at)
    return _Decoded(np.array(decoded), np.array(rates), tuple(used))


def _rate(codecs: Sequence[Codec], images: NDArray[Any]) -> float:
    rates = [bits_per_pixel(c.encode(im), im) for c, im in zip(codecs, images, strict=True)]
    return float(np.mean(rates))


def _row(
    name: str,
    case: tuple[str, int] | None,
    clean: NDArray[Any],
    given: NDArray[Any],
    coded: _Decoded,
) -> Measured:
    corruption, severity = ("clean", 0) if case is None else case
    rate = float(coded.bpp.mean())
    return Measured(
        codec=name,
        corruption=corruption,
        severity=severity,
        group="clean" if case is None else group_of(corruption),
        bpp=rate,
        most_bpp=float(coded.bpp.max()),
        fixed_bpp=rate,
        psnr=_mean(psnr, coded.images, given),
        psnr_clean=_mean(psnr, coded.images, clean),
        psnr_damaged=_mean(psnr, given, clean),
        ms_ssim=_mean(ms_ssim, coded.images, given),
        ms_ssim_clean=_mean(ms_ssim, coded.images, clean),
    )


def _mean(measure: Any, images: NDArray[Any], others: NDArray[Any]) -> float:
    """Average a measure over images; nan where they are too small for it."""
    if measure is ms_ssim and scales_for(images.shape[1:]) < 1:
        return float("nan")
    return float(
        np.mean([measure(one, other) for one, other in zip(images, others, strict=True)])
    )
