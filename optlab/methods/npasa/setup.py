"""Bind NPASA's machinery to a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optlab.linalg.kkt_system import KKTSystem
from optlab.linalg.projection import Projector
from optlab.linalg.structure import Structure
from optlab.methods.npasa.augmented import SlackRows
from optlab.methods.npasa.state import Workspace
from optlab.methods.pasa.convexify import Convexifier
from optlab.methods.pasa.face import FaceSolver
from optlab.methods.pasa.objective import Curvature

if TYPE_CHECKING:
    from optlab.core.method import WarmStart
    from optlab.methods.standard_form import StandardForm
    from optlab.typing import Vector

__all__ = ["balanced_penalty", "known_penalty", "known_structure", "workspace"]


def workspace(
    form: StandardForm, pairs: int, face_changes: int, warm: WarmStart | None
) -> Workspace:
    """Make the machinery; pattern analyses come from the warm start where they fit.

    Parameters
    ----------
    pairs
        Pairs of the quasi-Newton model used when the problem has no Hessian.
    face_changes
        Factorizations in one model minimisation of PASA.
    """
    polyhedron = form.polyhedron
    curvature = Curvature.of(form.oracle, pairs)
    x0 = form.oracle.x0
    example = form.jacobian(np.clip(x0, polyhedron.lo, polyhedron.hi)) if form.mh else None
    kkt = KKTSystem(
        form.n, form.mh, polyhedron.A, jacobian=example, structure=known_structure(warm)
    )
    kkt.account = form.oracle.account
    faces = FaceSolver(polyhedron, Convexifier(polyhedron, kkt), face_changes)
    return Workspace(
        form, Projector(polyhedron, form.oracle.account), faces, curvature, SlackRows.of(form)
    )


def known_structure(warm: WarmStart | None) -> Structure | None:
    """Return the pattern analyses that an earlier solve has left."""
    found = None if warm is None else warm.extras.get("structure")
    return found if isinstance(found, Structure) else None


def known_penalty(warm: WarmStart | None, largest: float) -> float | None:
    """Return the penalty that an earlier solve ended with."""
    found = None if warm is None else warm.extras.get("penalty")
    return found if isinstance(found, float) and 0.0 < found <= largest else None


def balanced_penalty(f: float, h: Vector) -> float:
    """Balance f and |h|^2 at the start, as ALGENCAN does: rho = 10 max(1,|f|)/max(1,|h|^2/2)."""
    balance = 10.0 * max(1.0, abs(f)) / max(1.0, 0.5 * float(h @ h))
    return float(np.clip(0.5 * balance, 1e-2, 1e4))
