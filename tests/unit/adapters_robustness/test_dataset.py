"""Folders of images under corruptions: resumed, hashed, with broken files and full disks."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optlab.errors import OptionError, ResumeError
from optlab_adapters.robustness import CorruptionSuite, corrupt_dataset
from optlab_adapters.robustness.__main__ import main

Image = pytest.importorskip("PIL.Image")
SUITE = CorruptionSuite(["gaussian_noise", "contrast"], severities=(1, 5), scale="imagenet")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(folder / "a.png")
    Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(
        folder / "inner" / "b.png"
    )
    (folder / "notes.txt").write_text("no image")
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def test_every_image_under_every_corruption(photos: Path, tmp_path: Path) -> None:
    report = corrupt_dataset(photos, tmp_path / "out", SUITE)
    assert (report.written, report.kept, report.skipped) == (8, 0, {})
    files = tree(tmp_path / "out")
    lines = [json.loads(line) for line in files.pop("manifest.jsonl").splitlines()]
    assert lines[0] == {"scale": "imagenet", "seed": 0}
    assert {line["file"] for line in lines[1:]} == set(files)
    assert "gaussian_noise/5/inner/b.png.png" in files
    for line in lines[1:]:
        assert line["sha256"] == hashlib.sha256(files[line["file"]]).hexdigest()
    with Image.open(tmp_path / "out" / "contrast" / "5" / "a.png.png") as made:
        source = np.asarray(Image.open(photos / "a.png"))
        assert (np.asarray(made) == SUITE.apply(source[None], "contrast", 5)[0]).all()


def test_a_second_run_keeps_and_repairs(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    corrupt_dataset(photos, out, SUITE)
    before = tree(out)
    assert corrupt_dataset(photos, out, SUITE).kept == 8
    assert tree(out) == before
    (out / "contrast" / "1" / "a.png.png").write_bytes(b"damaged")
    (out / "contrast" / "5" / "a.png.png").unlink()
    report = corrupt_dataset(photos, out, SUITE)
    assert (report.written, report.kept) == (2, 6)
    again = tree(out)
    assert {k: v for k, v in again.items() if k.endswith("png")} == {
        k: v for k, v in before.items() if k.endswith("png")
    }
    # More of the same suite is more work, not another data set.
    more = CorruptionSuite(["contrast"], severities=(1, 3), scale="imagenet")
    report = corrupt_dataset(photos, out, more)
    assert (report.written, report.kept) == (2, 2)


def test_an_image_that_changed_is_made_again(photos: Path, tmp_path: Path) -> None:
    corrupt_dataset(photos, tmp_path / "out", SUITE)
    Image.fromarray(np.zeros((4, 4), dtype=np.uint8)).save(photos / "a.png")
    report = corrupt_dataset(photos, tmp_path / "out", SUITE)
    assert (report.written, report.kept) == (4, 4)


def test_bytes_do_not_depend_on_other_images(photos: Path, tmp_path: Path) -> None:
    corrupt_dataset(photos, tmp_path / "all", SUITE)
    (photos / "a.png").unlink()
    corrupt_dataset(photos, tmp_path / "one", SUITE)
    both, one = tree(tmp_path / "all"), tree(tmp_path / "one")
    for name in one:
        if name.endswith(".png"):
            assert one[name] == both[name]


def test_a_full_disk_leaves_no_half_file_and_the_run_goes_on(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    real, calls = Path.write_bytes, [0]

    def full(self: Path, data: Any) -> int:
        calls[0] += 1
        if calls[0] == 4:
            real(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        corrupt_dataset(photos, out, SUITE)
    monkeypatch.undo()
    files = tree(out)
    assert len(files) == 3 + 1
    assert not [name for name in files if name.endswith(".part")]
    assert corrupt_dataset(photos, out, SUITE).kept == 3
    corrupt_dataset(photos, whole, SUITE)
    assert tree(out) == tree(whole)


def test_a_run_killed_in_a_line_of_the_manifest_goes_on(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    corrupt_dataset(photos, out, SUITE)
    before, manifest = tree(out), out / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-20])
    assert corrupt_dataset(photos, out, SUITE).written == 1
    assert tree(out) == before


def test_images_that_cannot_be_used_are_recorded(photos: Path, tmp_path: Path) -> None:
    data = (photos / "a.png").read_bytes()
    (photos / "cut.png").write_bytes(data[: len(data) // 2])
    (photos / "text.jpg").write_text("no image")
    frames = [Image.fromarray(np.full((4, 4), v, dtype=np.uint8)) for v in (0, 200)]
    frames[0].save(photos / "moving.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(np.full((4, 4), 40_000, dtype=np.uint16)).save(photos / "deep.png")
    Image.fromarray(np.zeros((4, 4, 4), dtype=np.uint8), "CMYK").save(photos / "ink.jpg")
    Image.fromarray(np.zeros((1, 1), dtype=np.uint8)).save(photos / "tiny.png")
    for _ in range(2):
        report = corrupt_dataset(photos, tmp_path / "out", SUITE)
        assert set(report.skipped) == {"cut.png", "text.jpg", "moving.gif", "deep.png"}
        assert report.written + report.kept == 4 * 4
    for name, word in (
        ("moving.gif", "2 frames"),
        ("deep.png", "eight bits"),
        ("cut.png", "broken"),
    ):
        assert word in report.skipped[name]
    lines = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    assert sum("skipped" in line for line in lines) == 4


def test_huge_images_are_recorded(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    report = corrupt_dataset(photos, tmp_path / "out", SUITE)
    assert set(report.skipped) == {"a.png", "inner/b.png"}
    assert "too many pixels" in report.skipped["a.png"]


def test_wrong_folders(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="has no images"):
        corrupt_dataset(tmp_path / "none", tmp_path / "out", SUITE)
    with pytest.raises(OptionError, match="lies in"):
        corrupt_dataset(photos, photos / "out", SUITE)
    corrupt_dataset(photos, tmp_path / "out", SUITE)
    other = CorruptionSuite("fog", severities=1, scale="imagenet", seed=1)
    with pytest.raises(ResumeError, match="'seed': 0"):
        corrupt_dataset(photos, tmp_path / "out", other)
    (tmp_path / "out" / "manifest.jsonl").write_text("{\n")
    with pytest.raises(ResumeError, match="cannot be read"):
        corrupt_dataset(photos, tmp_path / "out", SUITE)


def test_the_command(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        str(photos),
        str(tmp_path / "out"),
        "--corruptions",
        "fog",
        "--severities",
        "2",
    ]
    assert main(arguments) == 0
    assert "2 files written, 0 kept" in capsys.readouterr().err
    (photos / "text.jpg").write_text("no image")
    assert main(arguments) == 1
    printed = capsys.readouterr().err
    assert "skipped text.jpg: broken" in printed
    assert "0 files written, 2 kept" in printed
    assert main([*arguments[:2], "--corruptions", "mist"]) == 2
    assert "mist" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main([arguments[0], str(tmp_path / "file")]) == 3
