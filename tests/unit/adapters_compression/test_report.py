"""Reports of codecs under corruptions: their numbers against direct ones, and their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optlab.adapters import compression as cp
from optlab.adapters import robustness as rb
from optlab.errors import CapabilityError, MissingDependencyError, OptionError, ProblemError

pytest.importorskip("PIL")

SUITE = rb.CorruptionSuite(["fog", "defocus_blur", "gaussian_noise"], severities=[2, 5])


class Halved:
    """A codec without settings: values lose their last bit."""

    name = "halved"

    def encode(self, image: Any) -> bytes:
        shape = np.array(image.shape, dtype="<u2")
        parts = [bytes([image.ndim]), shape.tobytes(), (image // 2).tobytes()]
        return b"".join(parts)

    def decode(self, stream: bytes) -> Any:
        end = 1 + 2 * stream[0]
        shape = np.frombuffer(stream[1:end], dtype="<u2")
        return 2 * np.frombuffer(stream[end:], dtype=np.uint8).reshape(shape)


def photographs(*shape: int) -> Any:
    rng = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(rng.standard_normal(shape), axis=1), axis=2)
    axes = (1, 2)
    low, high = smooth.min(axis=axes, keepdims=True), smooth.max(axis=axes, keepdims=True)
    return np.rint(255 * (smooth - low) / (high - low)).astype(np.uint8)


@pytest.fixture(scope="module")
def report() -> cp.CodecReport:
    codecs = [cp.Jpeg(), cp.Linear(rank=8)]
    return cp.spectral_report(codecs, photographs(2, 96, 96), SUITE, bpp=1.2)


def test_rows_are_what_direct_computation_gives(report: cp.CodecReport) -> None:
    images = photographs(2, 96, 96)
    damaged = SUITE.apply(images, "gaussian_noise", 5)
    found = [cp.rate_control(cp.Jpeg(), image, 1.2, nearest=True) for image in damaged]
    decoded = [f.codec.decode(f.stream) for f in found]
    row = report.row("JPEG", "gaussian_noise", 5)
    pairs = list(zip(decoded, damaged, images, strict=True))
    assert row.bpp == pytest.approx(np.mean([f.bpp for f in found]))
    assert row.psnr == pytest.approx(np.mean([cp.psnr(y, z) for y, z, _ in pairs]))
    assert row.psnr_clean == pytest.approx(np.mean([cp.psnr(y, x) for y, _, x in pairs]))
    assert row.psnr_damaged == pytest.approx(np.mean([cp.psnr(z, x) for _, z, x in pairs]))
    assert row.ms_ssim_clean == pytest.approx(np.mean([cp.ms_ssim(y, x) for y, _, x in pairs]))
    assert row.gain == row.psnr_clean - row.psnr_damaged
    assert (row.group, len(report.rows)) == ("high", 2 * 7)
    # Parseval: the mean of a spectrum is the mean squared error.
    power = report.spectrum("JPEG", "R", "high").mean()
    errors = [
        np.mean([(y.astype(float) - x) ** 2 for y, x in zip(_decoded(s), images, strict=True)])
        for s in (2, 5)
    ]
    assert power == pytest.approx(np.mean(errors) / 255**2)


def _decoded(severity: int) -> list[Any]:
    damaged = SUITE.apply(photographs(2, 96, 96), "gaussian_noise", severity)
    found = [cp.rate_control(cp.Jpeg(), image, 1.2, nearest=True) for image in damaged]
    return [f.codec.decode(f.stream) for f in found]


def test_noise_is_taken_out_and_costs_rate(report: cp.CodecReport) -> None:
    for codec in report.codecs:
        assert report.mean(codec, "high", "gain") > 1
        assert abs(report.mean(codec, "low", "gain")) < 1
    row = report.row("linear, rank 8", "gaussian_noise", 5)
    assert row.fixed_bpp > report.row("linear, rank 8", "clean").bpp


def test_table_and_files(report: cp.CodecReport, tmp_path: Path) -> None:
    text = str(report)
    assert len(text.splitlines()) == 1 + 2 * 4
    assert f"{report.mean('JPEG', 'high', 'gain'):.2f}" in text
    report.save(tmp_path / "r.json")
    values = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert values["setting"]["fitted"] == ["linear, rank 8"]
    assert values["rows"][0]["gain"] is None
    assert len(values["spectra"]) == 2 * (1 + 2 * 6)
    assert all(sum(one["bands"]) == pytest.approx(1) for one in values["spectra"])
    pytest.importorskip("jinja2")
    report.save(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2 * 7
    assert "Fitted to these very images: linear, rank 8." in page
    assert f"{report.row('JPEG', 'fog', 2).gain:+.2f}" in page
    # Nothing outside is loaded.
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    with pytest.raises(OptionError, match="html"):
        report.save(tmp_path / "r.txt")


def test_a_page_needs_jinja(
    report: cp.CodecReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optlab_adapters.pages.find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="bench"):
        report.save(tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_rates_out_of_reach_are_said(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    suite = rb.CorruptionSuite("gaussian_noise", severities=5)
    report = cp.spectral_report([cp.Jpeg()], photographs(1, 48, 48), suite, bpp=0.3)
    assert report.row("JPEG", "gaussian_noise", 5).most_bpp > 0.3
    report.save(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "more at the coarsest setting: JPEG" in page


def test_codecs_at_their_own_settings_and_small_images(tmp_path: Path) -> None:
    images = photographs(2, 9, 10)
    report = cp.spectral_report([Halved()], images, SUITE)
    row = report.row("halved", "clean")
    assert row.psnr == pytest.approx(np.mean([cp.psnr(x // 2 * 2, x) for x in images]))
    assert np.isnan(row.ms_ssim)
    report.save(tmp_path / "r.json")
    with pytest.raises(CapabilityError, match="Halved"):
        cp.spectral_report([Halved()], images, SUITE, bpp=1.0)


def test_conventions_of_the_published_program() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(60, 190, (3, 16, 16, 3), dtype=np.uint8)
    y = np.clip(x + rng.integers(-60, 61, x.shape), 0, 255).astype(np.uint8)
    scaled = [(z / 255 - (x / 255).mean((0, 1, 2))) / (x / 255).std((0, 1, 2)) for z in (y, x)]
    luma = np.round((scaled[0] - scaled[1]) @ np.array([0.299, 0.587, 0.114]))
    expected = np.mean([np.fft.fftshift(np.abs(np.fft.fft2(one))) for one in luma], axis=0)
    assert np.allclose(cp.error_spectrum(y, x, compat="ood_nic"), expected)
    # Small differences vanish there, and only there.
    near = x + np.uint8(1)
    assert not cp.error_spectrum(near, x, compat="ood_nic").any()
    assert cp.error_spectrum(near, x).max() > 0
    with pytest.raises(OptionError, match="compat"):
        cp.error_spectrum(y, x, compat="other")
    with pytest.raises(ProblemError, match="shapes"):
        cp.error_spectrum(y, x[:2])


def test_wrong_questions(report: cp.CodecReport) -> None:
    images = photographs(1, 16, 16)
    with pytest.raises(OptionError, match="different names"):
        cp.spectral_report([cp.Jpeg(), cp.Jpeg(30)], images, SUITE)
    with pytest.raises(OptionError, match="at least one codec"):
        cp.spectral_report([], images, SUITE)
    with pytest.raises(ProblemError, match="shape"):
        cp.spectral_report([cp.Jpeg()], images[:0], SUITE)
    with pytest.raises(ProblemError, match="uint8"):
        cp.spectral_report([cp.Jpeg()], images / 255, SUITE)
    with pytest.raises(OptionError, match="bpp"):
        cp.spectral_report([cp.Jpeg()], images, SUITE, bpp=-1)
    with pytest.raises(OptionError, match="not measured"):
        report.row("JPEG", "snow", 2)
    with pytest.raises(OptionError, match="no 'colour'"):
        report.mean("JPEG", "high", "colour")
    with pytest.raises(OptionError, match="no spectrum"):
        report.spectrum("JPEG", "G", "other")
