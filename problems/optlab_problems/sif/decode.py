"""Run the data part of a file into a `Draft`."""

from __future__ import annotations

from optlab_problems.sif.cards import Card, SifText
from optlab_problems.sif.draft import Draft
from optlab_problems.sif.errors import Limits, fail
from optlab_problems.sif.linear_sections import (
    AbstractSection,
    BoundsSection,
    ConstantsSection,
    GroupsSection,
    QuadraticSection,
    StartSection,
    VariablesSection,
)
from optlab_problems.sif.loops import Runner
from optlab_problems.sif.nonlinear_sections import sections as nonlinear_sections
from optlab_problems.sif.parameters import Action, Parameters

__all__ = ["decode_data"]


class _ParametersOnly(AbstractSection):
    """Cards before the first indicator card may only set parameters."""

    def compile(self, card: Card) -> Action:
        """Refuse any other card."""
        fail(f"code {card.code!r} stands before the first section; only parameters may")


def decode_data(text: SifText, limits: Limits) -> Draft:
    """Run the data part of a file.

    Parameters
    ----------
    text
        The cards.
    limits
        What the file may cost.

    Raises
    ------
    SifError
        With file, line, text and reason.
    """
    draft, parameters = Draft(limits), Parameters()
    known: dict[str, AbstractSection] = {
        "PARAMETERS": _ParametersOnly(draft, parameters),
        "GROUPS": GroupsSection(draft, parameters),
        "VARIABLES": VariablesSection(draft, parameters),
        "CONSTANTS": ConstantsSection(draft, parameters, draft.constants),
        "RANGES": ConstantsSection(draft, parameters, draft.ranges),
        "BOUNDS": BoundsSection(draft, parameters),
        "START POINT": StartSection(draft, parameters),
        "QUADRATIC": QuadraticSection(draft, parameters),
        "QMATRIX": QuadraticSection(draft, parameters, whole=True),
        **nonlinear_sections(draft, parameters),
    }
    runner = Runner(text.file, parameters, limits)
    for section in text.data:
        runner.run(section.cards, known[section.keyword].compile)
    return draft
