from __future__ import annotations

import json
from pathlib import Path

import pytest

from optlab.cli import main
from optlab_problems.classic import sif_path


def test_solve_writes_the_whole_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    assert main(["solve", str(sif_path("HS71")), "--json", str(out)]) == 0
    record = json.loads(out.read_text(encoding="utf-8"))
    assert record["schema"] == "optlab.result/2"
    assert record["point"] == "STATIONARY"
    assert record["fun"] == pytest.approx(17.0140173, abs=1e-6)
    shown = capsys.readouterr().out
    assert "certificate" in shown
    assert "E_m1" in shown


def test_a_limit_ends_with_code_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", str(sif_path("HS71")), "--max-iter", "0", "--quiet"]) == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["solve", "nowhere.SIF"], "nowhere.SIF"),
        (["solve", "FILE", "--method", "npsa"], "npasa"),
        (["solve", "FILE", "--param", "M=3"], "M"),
        (["solve", "FILE", "--option", "steps=1"], "option"),
    ],
)
def test_bad_input_is_one_clear_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(sif_path("HS71"))
    assert main([file if a == "FILE" else a for a in arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_a_broken_file_names_line_and_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "BROKEN.SIF"
    file.write_text("NAME          BROKEN\nVARIABLES\n    X\nGROPS\nENDATA\n", encoding="utf-8")
    assert main(["solve", str(file)]) == 2
    error = capsys.readouterr().err
    assert "GROPS" in error
    assert "4" in error


def test_tables_list_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    assert main(["sources"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("npasa", "pasa", "sif"))


def test_a_solve_begins_where_a_report_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, cold, warm = str(sif_path("HS71")), tmp_path / "cold.json", tmp_path / "warm.json"
    assert main(["solve", file, "--json", str(cold), "--quiet"]) == 0
    assert main(["solve", file, "--warm-start", str(cold), "--json", str(warm), "--quiet"]) == 0
    before, after = (json.loads(p.read_text(encoding="utf-8")) for p in (cold, warm))
    assert after["fun"] == pytest.approx(before["fun"], rel=1e-8)
    assert after["iterations"] < before["iterations"]
    other = str(sif_path("POLYQP"))
    assert main(["solve", other, "--warm-start", str(cold), "--quiet"]) == 2
    assert "shape" in capsys.readouterr().err
    assert main(["solve", file, "--warm-start", file, "--quiet"]) == 2
    assert "JSON" in capsys.readouterr().err


def test_the_scheme_of_derivatives_is_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(sif_path("HS71"))
    assert main(["solve", file, "--derivatives", "exact", "--quiet"]) == 0
    assert main(["solve", file, "--derivatives", "4-point", "--quiet"]) == 2
    assert "3-point" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("derivatives", "estimated"), [("gradients", "exact"), ("functions", "estimated")]
)
def test_derivatives_are_hidden_and_the_answer_verified_with_all_of_them(
    derivatives: str, estimated: str, tmp_path: Path
) -> None:
    out = str(tmp_path / "out.json")
    command = ["solve", str(sif_path("HS71")), "--quiet", "--json", out]
    assert main([*command, "--derivatives", derivatives]) == 0
    record = json.loads(Path(out).read_text(encoding="utf-8"))
    assert record["evaluations"]["hessian"] == 0
    assert record["certificate"]["derivatives"] == estimated
    assert main(["verify", out, "--quiet"]) == 0
