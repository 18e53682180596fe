"""Every refusal names file, line, text and reason; nothing hostile runs away."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from optlab.errors import ParseError
from optlab_problems.sif import Limits, SifError, SifModel, read_sif

DATA = Path(__file__).parents[2] / "data" / "sif"

#: A problem with a group of a nontrivial type and one element, all on known lines.
LINES = """\
NAME          BASE
 IE 1                   1
 RE HALF                0.5
VARIABLES
    X
    Y
GROUPS
 N  OBJ       X         1.0
 E  ROW       Y         1.0
CONSTANTS
    BASE      ROW       2.0
BOUNDS
 FR BASE      'DEFAULT'
ELEMENT TYPE
 EV SQ        V
 EP SQ        P
ELEMENT USES
 T  E1        SQ
 V  E1        V                        X
 P  E1        P         2.0
GROUP TYPE
 GV L2        ALPHA
GROUP USES
 T  OBJ       L2
 E  ROW       E1
ENDATA
ELEMENTS      BASE
TEMPORARIES
 R  T
 L  B
 F  OUTER
INDIVIDUALS
 T  SQ
 A  T                   P * V
 F                      T * V
 G  V                   2.0 * T
 H  V         V         2.0 * P
ENDATA
GROUPS        BASE
INDIVIDUALS
 T  L2
 F                      ALPHA * ALPHA
 G                      2.0 * ALPHA
 H                      2.0
ENDATA
""".splitlines()


def write(path: Path, *changes: tuple[int, str]) -> Path:
    """Write the base problem with some lines (from 1) replaced."""
    lines = LINES.copy()
    for number, text in changes:
        lines[number - 1] = text
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_base_problem_is_right(tmp_path: Path) -> None:
    problem = read_sif(write(tmp_path / "BASE.SIF"))
    assert (problem.n, problem.m) == (2, 1)


@pytest.mark.parametrize(
    ("line", "text", "reason"),
    [
        (2, " IQ 1                   1", "'IQ' stands before the first section"),
        (2, " IE 1                   one", "a number is needed"),
        (2, " IE                     1", "field 2 .* must name the parameter"),
        (3, " I/ HALF      1                        ZERO", "'ZERO' has no value"),
        (3, " R/ HALF      ONE                      TWO", "real parameter 'ONE' has no value"),
        (3, " RF HALF      SQRT      -1.0", "SQRT.* is not defined"),
        (3, " RF HALF      CUBE      1.0", "'CUBE' is not one of ABS, SQRT"),
        (3, " RE HALF                nan", "a number is needed"),
        (
            3,
            " RE BIG                 1.0E300\n R* BIG       BIG                      BIG\n IR N         BIG",
            "that is inf cannot become an integer",
        ),
        (3, " ID HALF      1         1.0\n I/ BAD       1                        0", "by zero"),
        (4, "VARIBALES", "'VARIBALES' is not an indicator card"),
        (5, " Q  X", "code 'Q'"),
        (5, " X  X(J)", "integer parameter 'J' has no value"),
        (5, " DO J         1                        K\n X  X(J)\n ND", "'K' has no value"),
        (5, " DO J         1                        1\n X  X(J)", "never closed"),
        (5, " OD J", "OD without an open loop"),
        (5, " DI J         1", "DI must follow the DO card"),
        (8, " N  OBJ       Z         1.0", "variable 'Z' is not defined"),
        (8, " K  OBJ       X         1.0", "a group is N, G, L or E"),
        (8, " N  OBJ       X         ", "a number is needed"),
        (8, " N  OBJ       'SCALE'   0.0", "scale factor of zero"),
        (8, " ZN OBJ       X", "needs the name of a real parameter"),
        (8, " ZN OBJ       X                        NONE", "'NONE' has no value"),
        (11, "    BASE      RAW       2.0", "group 'RAW' is not defined"),
        (13, " FB BASE      X", "not a kind of bound"),
        (13, " LO BASE      W         1.0", "variable 'W' is not defined"),
        (15, " EW SQ        V", "EV, IV or EP is needed"),
        (18, " T  E1        CUBE", "element type 'CUBE' is not defined"),
        (19, " V  E1        W                        X", "without a value for V"),
        (20, " P  E1        Q         2.0", "without a value for P"),
        (24, " T  OBJ       L3", "group type 'L3' is not defined"),
        (25, " E  ROW       E2", "element 'E2' is not defined"),
        (29, " Q  T", "I, R, L, M or F is needed"),
        (33, " T  CUBE", "element type 'SQ' is used but its T card is missing"),
        # The element has a variable V, the type wants a parameter of this name.
        (15, " EP SQ        V", "'E1' of type 'SQ' is used without a value for V"),
        (34, " A  U                   P * V", "U is not declared"),
        (34, " A  T                   P * W", "W has no value here"),
        (34, " A  T                   P * ( V", r"'\)' is needed"),
        (34, " A  T                   P V *", "ends where an operand is needed"),
        (34, " A  T                   P ! V", "'!V' is not understood"),
        (34, " A  T                   ", "the field is empty"),
        (34, " A  T                   OUTER( V )", "external function"),
        (34, " A  T                   COSEC( V )", "not an intrinsic function"),
        (34, " A  T                   ATAN2( V )", r"takes 2 argument\(s\), 1 given"),
        (34, " A  B                   P * V", "B is logical, the value real"),
        (34, " A  T                   .NOT. V", "needs a logical"),
        (34, " I  B         T         V", "B is not a logical that has a value"),
        (35, " F                      V .GT. 0.0", "the expression is logical"),
        (35, " A  T                   V", "type 'SQ' has no F card"),
        (36, " G  W                   2.0 * T", r"W is not a variable of this type \(V\)"),
        (36, " A  T                   V", "type 'SQ' has no G card"),
        (37, " K  V         V         2.0", "T, R, A, I, E, F, G or H is needed"),
        (37, " R  U         V         1.0", "'U' is not one of its variables"),
        (41, " F                      ALPHA", "a T card must name the type first"),
        (
            43,
            " G  ALPHA               2.0 * ALPHA",
            "a derivative of a group names no variable",
        ),
    ],
)
def test_refusals_say_where_and_why(tmp_path: Path, line: int, text: str, reason: str) -> None:
    path = write(tmp_path / "BAD.SIF", (line, text))
    with pytest.raises(SifError, match=reason) as caught:
        read_sif(path)
    error = caught.value
    assert isinstance(error, ParseError)
    assert str(error.file) == str(path)
    assert str(path) in str(error)
    if error.line is not None:
        # The card that fails, or the T card of the type that lacks something.
        assert error.text == path.read_text().splitlines()[error.line - 1]
        assert error.text.rstrip() in str(error)
        assert abs(error.line - line) <= 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a SIF file"),
        ("hello world\n", "NAME card must come first"),
        (" X\n", "before the NAME card"),
        ("NAME          A\nVARIABLES\n    X\n", "without an ENDATA card"),
        ("NAME          A\nGROUPS\n N  OBJ\nENDATA\n", "no variables"),
        ("\0\1\2\xff" * 50, "NAME card must come first"),
    ],
)
def test_text_that_is_not_a_problem(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "BAD.SIF"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(SifError, match=reason):
        read_sif(path)


def test_contradicting_bounds_are_a_sif_error(tmp_path: Path) -> None:
    path = write(
        tmp_path / "BAD.SIF", (13, " FX BASE      X         1.0\n UP BASE      X         0.5")
    )
    with pytest.raises(SifError, match="lb"):
        read_sif(path)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (" IE N                   1000000000000\n DO I         1                        N\n ND", "loops"),
        (
            " IE N                   100000\n"
            + "".join(f" DO {i}         1                        N\n" for i in "IJK")
            + " ND",
            "loops of this file run more",
        ),
        (" IE N                   1\n" + " DO I         1                        N\n" * 30, "nested"),
        (
            " IE N                   10000\n DO I         1                        N\n I* N         N                        N\n ND",
            "beyond 10",
        ),
        (" IE N                   5000\n DO I         1                        N\n X  X(I)\n ND", "more than 1000 variables"),
    ],
)  # fmt: skip
def test_loops_that_run_away_are_refused_quickly(
    tmp_path: Path, body: str, reason: str
) -> None:
    path = write(tmp_path / "LOOP.SIF", (5, " IE 1                   1\n" + body))
    begin = time.process_time()
    with pytest.raises(SifError, match=reason):
        read_sif(path, limits=Limits(steps=200_000, items=1000))
    assert time.process_time() - begin < 20


def test_deep_expressions_do_not_exhaust_the_stack(tmp_path: Path) -> None:
    deep = "\n".join(
        [" A  T                   " + "(" * 41] + [" A+                     " + "(" * 41] * 150
    )
    path = write(tmp_path / "DEEP.SIF", (34, deep))
    with pytest.raises(SifError, match="nested more than"):
        read_sif(path)
    many = "\n".join(
        [" A  T                   V"] + [" A+                     " + "**V" * 13] * 150
    )
    with pytest.raises(SifError, match="nested more than"):
        read_sif(write(tmp_path / "DEEP.SIF", (34, many)))
    long = "\n".join(
        [" A  T                   V"] + [" A+                     " + "+V" * 20] * 150
    )
    model = SifModel(write(tmp_path / "LONG.SIF", (34, long)))
    assert model.structure.n == 2


def test_a_dollar_in_column_one_is_a_comment(tmp_path: Path) -> None:
    assert read_sif(write(tmp_path / "BASE.SIF", (4, "$ a remark\nVARIABLES"))).n == 2


def test_too_large_files_are_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "BIG.SIF")
    with pytest.raises(SifError, match="bytes of text"):
        read_sif(path, limits=Limits(file_bytes=10))
    with pytest.raises(FileNotFoundError):
        read_sif(tmp_path / "NONE.SIF")


def test_fortran_text_never_reaches_python(tmp_path: Path) -> None:
    for text in ("__IMPORT__( V )", "V.REAL", "'V'", "V; W", "LAMBDA", "EVAL( V )"):
        with pytest.raises(SifError):
            read_sif(write(tmp_path / "BAD.SIF", (34, f" A  T                   {text}")))
