from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optlab.bench import ProblemSpec
from optlab.bench.classes import classification, classify, declared_class, structural_class
from optlab.bench.selection import (
    distinct,
    read_list,
    select_by_facts,
    select_problems,
    whole_collection,
)
from optlab.core.problem_sources import load_problem
from optlab.errors import OptionError, ParseError
from optlab_problems.classic import sif_names, sif_path


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    for name, code in (("A", "QUR2-AN-2-0"), ("B", "C-CLLR2-AN-V-V"), ("HS1", "SBR2-MN-4-0")):
        text = f"*   source\n*   classification {code}\nNAME {name}\n"
        (tmp_path / f"{name}.SIF").write_text(text, encoding="utf-8")
    (tmp_path / "README").write_text("no problem", encoding="utf-8")
    (tmp_path / "silent.sif").write_text("NAME SILENT\n", encoding="utf-8")
    return tmp_path


def test_a_list_gives_names_and_parameters(collection: Path) -> None:
    file = collection / "list.txt"
    file.write_text("# all\nA N=10 X=0.5  # twice\n\nB.SIF\nGONE\nsilent\n", encoding="utf-8")
    specs = read_list(file, collection)
    assert [s.name for s in specs] == ["A N=10 X=0.5", "B", "GONE", "silent"]
    assert specs[0].params == {"N": 10, "X": 0.5}
    assert isinstance(specs[0].params["N"], int)
    assert [bool(s.digest) for s in specs] == [True, True, False, True]
    assert Path(specs[3].file).name == "silent.sif"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A\nB N\n", ":2: 'N' is not of the form"),
        ("A\n\nB N=x\n", ":3: 'x' in 'N=x'"),
        ("N=3\n", ":1: 'N=3'"),
        ("A =3\n", ":1: '=3'"),
        ("# nothing\n", "holds no problem"),
    ],
)
def test_a_wrong_line_is_named_with_its_number(collection: Path, text: str, words: str) -> None:
    file = collection / "list.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ParseError) as caught:
        read_list(file, collection)
    assert words in str(caught.value)
    assert "list.txt" in str(caught.value)


def test_a_list_that_is_not_text_is_refused(collection: Path) -> None:
    file = collection / "list.txt"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParseError, match="UTF-8"):
        read_list(file, collection)


def test_missing_list_and_collection_are_named(collection: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
        read_list(collection / "nowhere.txt", collection)
    with pytest.raises(FileNotFoundError, match="--collection"):
        whole_collection(collection / "nowhere")


def test_the_whole_collection_is_what_sources_read(collection: Path) -> None:
    assert [s.name for s in whole_collection(collection)] == ["A", "B", "HS1", "silent"]
    (collection / "empty").mkdir()
    with pytest.raises(OptionError, match=r"\.sif"):
        whole_collection(collection / "empty")


def test_patterns_match_names_in_any_case(collection: Path) -> None:
    specs = [*whole_collection(collection), ProblemSpec.of(collection / "A.SIF", {"N": 3})]
    assert [s.name for s in select_problems(specs, ["hs*", "b"])] == ["B", "HS1"]
    assert [s.name for s in select_problems(specs, ["A N=3"])] == ["A N=3"]
    assert [s.name for s in select_problems(specs, ["A"])] == ["A", "A N=3"]
    assert select_problems(specs, []) == specs


def test_what_lists_share_is_run_once_and_equal_stems_are_told_apart(collection: Path) -> None:
    (collection / "A.toy").write_text("{}", encoding="utf-8")
    one, other = (ProblemSpec.of(collection / f"A.{end}", {"N": 2}) for end in ("SIF", "toy"))
    plain = ProblemSpec.of(collection / "B.SIF")
    names = [s.name for s in distinct([one, plain, other, one, plain])]
    assert names == ["A.SIF N=2", "B", "A.toy N=2"]


def test_classes_and_sizes_select(collection: Path) -> None:
    asked: list[str] = []

    def facts(specs: list[ProblemSpec]) -> list[dict[str, Any]]:
        asked.extend(s.name for s in specs)
        sizes = {"A": 2, "B": 50, "HS1": 4, "silent": 9}
        return [{"n": sizes[s.name], "class": "nonlinear"} for s in specs]

    specs = whole_collection(collection)
    kept = select_by_facts(specs, ["QP", "nonlinear"], None, facts)
    assert [s.name for s in kept] == ["B", "silent"]
    # Only what has no classification needs to be read for its class.
    assert asked == ["silent"]
    kept = select_by_facts(specs, [], 9, facts)
    assert [s.name for s in kept] == ["A", "HS1", "silent"]
    with pytest.raises(OptionError, match="unconstrained"):
        select_by_facts(specs, ["QPs"], None, facts)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("OUR2-AN-V-0", "unconstrained"),
        ("OXR2-AN-V-0", "unconstrained"),
        ("QBR2-AN-V-0", "bounds"),
        ("OBR2-AN-V-0", "bounds"),
        ("LLR2-AN-163-488", "QP"),
        ("QNR2-MN-V-V", "QP"),
        ("NLR2-AN-V-V", "QP"),
        ("SLR2-AN-V-V", "linear"),
        ("ONR2-AN-V-V", "linear"),
        ("NOR2-RN-8-5", "nonlinear"),
        ("LQR2-AN-3-1", "nonlinear"),
    ],
)
def test_the_classification_names_the_class(code: str, expected: str) -> None:
    assert declared_class(code) == expected


def test_old_and_new_spelling_are_read(tmp_path: Path, collection: Path) -> None:
    assert classification(collection / "B.SIF") == "LLR2-AN-V-V"
    assert classification(collection / "A.SIF") == "QUR2-AN-2-0"
    assert classification(collection / "silent.sif") is None
    assert classification(tmp_path / "nowhere") is None


@pytest.mark.parametrize("name", sif_names())
def test_structure_and_classification_agree_on_packaged_files(name: str) -> None:
    problem = load_problem(str(sif_path(name)))
    code = classification(sif_path(name))
    found = structural_class(problem)
    assert classify(sif_path(name), problem) == (declared_class(code) if code else found)
    expected = {"CHAINROS": "bounds", "HS71": "nonlinear", "POLYQP": "QP"}
    assert found == expected.get(name, found)


def test_structure_and_classification_agree_on_the_collection(sif_folder: Path) -> None:
    """Two readings of the same files; classifications can be wrong, so most must agree, not all."""
    names = (
        "HS3",
        "HS10",
        "HS21",
        "HS28",
        "HS35",
        "HS76",
        "HS45",
        "HS112",
        "BROWNDEN",
        "AVION2",
    )
    files = [sif_folder / f"{name}.SIF" for name in names]
    files = [file for file in files if file.is_file()]
    agree = [structural_class(load_problem(str(f))) == classify(f, None) for f in files]  # type: ignore[arg-type]
    assert len(files) >= 5
    assert sum(agree) >= len(agree) - 1
