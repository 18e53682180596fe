"""Random models: written as SIF text, decoded, and compared with the model's own formulas."""

from __future__ import annotations

import cmath
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab_problems.sif import SifModel

#: Element type: its text (types have two variables and a parameter), and the same in Python.
ELEMENTS: dict[str, tuple[list[str], Any]] = {
    "PROD": (
        [" F                      P * V * W", " G  V                   P * W",
         " G  W                   P * V", " H  V         W         P"],
        lambda v, w, p: p * v * w,
    ),
    "WAVE": (
        [" A  S                   SIN( P * V )", " F                      S * W**2",
         " G  V                   P * COS( P * V ) * W * W", " G  W                   2.0 * S * W",
         " H  V         V         - P**2 * S * W**2", " H  W         V         P * COS( P * V )",
         " H+                     * 2.0 * W", " H  W         W         2.0 * S"],
        lambda v, w, p: cmath.sin(p * v) * w * w,
    ),
    "DIFF": (
        [" R  U         V         1.0            W         -2.0", " F                      EXP( P * U )",
         " G  U                   P * EXP( P * U )", " H  U         U         P * P * EXP( P * U )"],
        lambda v, w, p: cmath.exp(p * (v - 2.0 * w)),
    ),
}  # fmt: skip
GROUPS: dict[str, tuple[list[str], Any]] = {
    "L2": (
        [" F                      T * T", " G                      T + T", " H                      2.0"],
        lambda t: t * t,
    ),
    "COSH": (
        [" F                      COSH( 0.1 * T )", " G                      0.1 * SINH( 0.1 * T )",
         " H                      0.01 * COSH( 0.1 * T )"],
        lambda t: cmath.cosh(0.1 * t),
    ),
    "": ([], lambda t: t),
}  # fmt: skip

quarters = st.integers(-8, 8).map(lambda k: k / 4)
nonzero = quarters.filter(bool)


@dataclass
class Element:
    kind: str
    v: int
    w: int
    p: float


@dataclass
class Group:
    kind: str
    row: str
    scale: float
    constant: float
    linear: dict[int, float]
    uses: dict[int, float]


@dataclass
class Model:
    n: int
    x0: list[float]
    elements: list[Element]
    groups: list[Group]

    def values(self, x: Any) -> list[Any]:
        """Return scaled values of all groups, also at complex points."""
        e = [ELEMENTS[q.kind][1](x[q.v], x[q.w], q.p) for q in self.elements]
        result = []
        for g in self.groups:
            t = sum(a * x[j] for j, a in g.linear.items()) - g.constant
            t += sum(w * e[k] for k, w in g.uses.items())
            result.append(GROUPS[g.kind][1](t) / g.scale)
        return result

    def functions(self, x: Any) -> np.ndarray:
        """Return f and c."""
        values = self.values(x)
        rows = [v for v, g in zip(values, self.groups, strict=True) if g.row != "N"]
        f = sum((v for v, g in zip(values, self.groups, strict=True) if g.row == "N"), 0.0)
        return np.array([f, *rows])

    def text(self) -> str:
        """Write the model as a SIF file."""

        def card(
            code: str, a: str = "", b: str = "", c: Any = "", d: str = "", e: Any = ""
        ) -> str:
            return f" {code:<2} {a:<10}{b:<10}{c!s:<12}   {d:<10}{e!s}".rstrip()

        lines = ["NAME          MODEL", "VARIABLES"]
        lines += [card("", f"X{i}") for i in range(self.n)]
        lines.append("GROUPS")
        for k, g in enumerate(self.groups):
            lines.append(card(g.row, f"G{k}", "'SCALE'", g.scale))
            lines += [card(g.row, f"G{k}", f"X{j}", a) for j, a in g.linear.items()]
        lines.append("CONSTANTS")
        lines += [card("", "B", f"G{k}", g.constant) for k, g in enumerate(self.groups)]
        lines += ["BOUNDS", card("FR", "B", "'DEFAULT'"), "START POINT"]
        lines += [card("", "S", f"X{i}", value) for i, value in enumerate(self.x0)]
        lines.append("ELEMENT TYPE")
        for name in ELEMENTS:
            lines += [card("EV", name, "V", "", "W"), card("EP", name, "P")]
        lines += [card("IV", "DIFF", "U"), "ELEMENT USES"]
        for k, q in enumerate(self.elements):
            lines += [
                card("T", f"E{k}", q.kind),
                card("V", f"E{k}", "V", "", f"X{q.v}"),
                card("V", f"E{k}", "W", "", f"X{q.w}"),
                card("P", f"E{k}", "P", q.p),
            ]
        lines.append("GROUP TYPE")
        lines += [card("GV", name, "T") for name in GROUPS if name]
        lines.append("GROUP USES")
        for k, g in enumerate(self.groups):
            if g.kind:
                lines.append(card("T", f"G{k}", g.kind))
            lines += [card("E", f"G{k}", f"E{u}", w) for u, w in g.uses.items()]
        lines += ["ENDATA", "ELEMENTS      MODEL", "TEMPORARIES", card("R", "S"), "INDIVIDUALS"]
        for name, (body, _) in ELEMENTS.items():
            lines += [card("T", name), *body]
        lines += ["ENDATA", "GROUPS        MODEL", "INDIVIDUALS"]
        for name, (body, _) in GROUPS.items():
            lines += [card("T", name), *body] if name else []
        return "\n".join([*lines, "ENDATA", ""])


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Draw a model of up to six variables."""
    n = draw(st.integers(1, 6))
    variable = st.integers(0, n - 1)
    elements = draw(
        st.lists(
            st.builds(Element, st.sampled_from(list(ELEMENTS)), variable, variable, nonzero),
            max_size=6,
        )
    )
    uses = (
        st.dictionaries(st.integers(0, len(elements) - 1), nonzero, max_size=4)
        if elements
        else st.just({})
    )
    group = st.builds(
        Group, st.sampled_from(list(GROUPS)), st.sampled_from("NNLGE"), nonzero, quarters,
        st.dictionaries(variable, quarters, max_size=4), uses,
    )  # fmt: skip
    groups = draw(st.lists(group, min_size=1, max_size=6))
    return Model(n, draw(st.lists(quarters, min_size=n, max_size=n)), elements, groups)


@given(models(), st.booleans(), st.integers(0, 10**6))
def test_decoded_model_equals_its_formulas(model: Model, dense: bool, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "MODEL.SIF"
        path.write_text(model.text())
        decoded = SifModel(path, dense=dense)
    s = decoded.structure
    assert s.x0.tolist() == model.x0
    kinds = [g.row for g in model.groups if g.row != "N"]
    assert s.cl.tolist() == [-np.inf if kind == "L" else 0.0 for kind in kinds]
    assert s.cu.tolist() == [np.inf if kind == "G" else 0.0 for kind in kinds]
    affine = [not g.kind and not g.uses for g in model.groups if g.row != "N"]
    assert decoded.linear.tolist() == affine
    x = np.random.default_rng(seed).uniform(-1, 1, model.n)
    expected = model.functions(x).real
    found = np.array([decoded.objective(x), *decoded.constraints(x)])
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-11)
    # Complex steps are exact to rounding.
    exact = np.array(
        [model.functions(x + 1e-30j * np.eye(model.n)[i]).imag / 1e-30 for i in range(model.n)]
    ).T
    jacobian = decoded.jacobian(x)
    jacobian = jacobian if dense else jacobian.toarray()  # type: ignore[union-attr]
    scale = max(1.0, np.abs(exact).max())
    assert decoded.gradient(x) / scale == pytest.approx(exact[0] / scale, abs=1e-12)
    assert jacobian / scale == pytest.approx(exact[1:] / scale, abs=1e-12)


@given(models())
def test_the_three_plans_agree_on_hessians(model: Model) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "MODEL.SIF"
        path.write_text(model.text())
        scalar = SifModel(path)
        patch.setattr("optlab_problems.sif.model._SCALAR_OPERATIONS", -1)
        dense, sparse_model = SifModel(path, dense=True), SifModel(path, dense=False)
    x, y = scalar.structure.x0 + 0.1, np.cos(np.arange(scalar.structure.cl.size))
    expected = np.asarray(scalar.hessian(x, y, 0.5))
    scale = max(1.0, np.abs(expected).max())
    assert np.asarray(dense.hessian(x, y, 0.5)) / scale == pytest.approx(
        expected / scale, abs=1e-12
    )
    matrix: Any = sparse_model.hessian(x, y, 0.5)
    assert matrix.toarray() / scale == pytest.approx(expected / scale, abs=1e-12)
    v = np.arange(1.0, x.size + 1)
    product = sparse_model._plan.hprod(x, y, 0.5, v)
    assert product / scale == pytest.approx(expected @ v / scale, abs=1e-11)
