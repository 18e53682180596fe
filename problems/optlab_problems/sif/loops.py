"""Do-loops: cards become a tree of blocks, and the tree is run with bounded cost.

[SIF92]_ section 2.2.4: ``DO i start end``, an optional ``DI i increment`` on the next card, then ``OD i``
closes that loop and ``ND`` closes all open loops.

.. [SIF92] A. R. Conn, N. I. M. Gould, Ph. L. Toint, *LANCELOT*, Springer 1992, chapter 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from optlab_problems.sif.cards import Card
from optlab_problems.sif.errors import Limits, SifError, fail
from optlab_problems.sif.parameters import Action, Parameters, assignment, is_assignment

__all__ = ["Runner"]

Handler = Callable[[Card], Action]


@dataclass(slots=True)
class _Loop:
    card: Card
    index: str
    start: str
    end: str
    increment: str = ""
    body: list[_Step] = field(default_factory=list)


_Step = tuple[Card, Action] | _Loop


class Runner:
    """Compile the cards of a section and run them.

    Parameters
    ----------
    file
        For messages.
    parameters
        The tables, shared by all sections.
    limits
        What the file may cost; steps are counted over all sections.
    """

    def __init__(self, file: str, parameters: Parameters, limits: Limits) -> None:
        self.file = file
        self.parameters = parameters
        self.limits = limits
        self._steps_left = limits.steps

    def run(self, cards: list[Card], handler: Handler) -> None:
        """Run the cards of one section.

        Parameters
        ----------
        cards
            The cards.
        handler
            Compiles a card that is neither a loop nor an assignment into an action.

        Raises
        ------
        SifError
            With file, line and text of the card that failed.
        """
        self._run_block(self._blocks(cards, handler))

    def _blocks(self, cards: list[Card], handler: Handler) -> list[_Step]:
        root: list[_Step] = []
        open_loops: list[_Loop] = []
        for card in cards:
            body = open_loops[-1].body if open_loops else root
            try:
                self._place(card, body, open_loops, handler)
            except SifError as error:
                raise self._located(error, card) from None
        if open_loops:
            raise self._located(SifError("this loop is never closed"), open_loops[-1].card)
        return root

    def _place(
        self, card: Card, body: list[_Step], open_loops: list[_Loop], handler: Handler
    ) -> None:
        if card.code == "DO":
            if len(open_loops) >= self.limits.loop_depth:
                fail(f"loops nested more than {self.limits.loop_depth} deep")
            loop = _Loop(card, card.name2, card.name3, card.name5)
            body.append(loop)
            open_loops.append(loop)
        elif card.code == "DI":
            if not open_loops or open_loops[-1].body or open_loops[-1].index != card.name2:
                fail("DI must follow the DO card of its loop")
            open_loops[-1].increment = card.name3
        elif card.code == "OD":
            # The name is not compared: files of the collection (DTOC2, QR3D, GPP) close loops
            # under another name or none, and the reference decoder closes the innermost one.
            if not open_loops:
                fail("OD without an open loop")
            open_loops.pop()
        elif card.code == "ND":
            open_loops.clear()
        elif is_assignment(card):
            body.append((card, assignment(self.parameters, card)))
        else:
            body.append((card, handler(card)))

    def _run_block(self, block: list[_Step]) -> None:
        self._spend(len(block), None)
        for step in block:
            if isinstance(step, _Loop):
                self._run_loop(step)
                continue
            card, action = step
            try:
                action()
            except SifError as error:
                raise self._located(error, card) from None

    def _run_loop(self, loop: _Loop) -> None:
        values = self._range(loop)
        # len() would overflow for a range beyond the machine's integers.
        rounds = max(0, (values.stop - values.start + values.step - 1) // values.step)
        self._spend(rounds * (len(loop.body) + 1), loop)
        integers, index, body = self.parameters.integers, loop.index, loop.body
        if any(isinstance(step, _Loop) for step in body):
            for value in values:
                integers[index] = value
                self._run_block(body)
            return
        # The common innermost loop: only calls, no bookkeeping per card.
        pairs = [step for step in body if not isinstance(step, _Loop)]
        card = loop.card
        try:
            for value in values:
                integers[index] = value
                for card, action in pairs:  # noqa: B007  named in the error below
                    action()
        except SifError as error:
            raise self._located(error, card) from None

    def _range(self, loop: _Loop) -> range:
        integer = self.parameters.integer
        try:
            increment = integer(loop.increment) if loop.increment else 1
            if increment == 0:
                fail("the increment of a loop is zero")
            end = integer(loop.end) + (1 if increment > 0 else -1)
            return range(integer(loop.start), end, increment)
        except SifError as error:
            raise self._located(error, loop.card) from None

    def _spend(self, steps: int, loop: _Loop | None) -> None:
        self._steps_left -= steps
        if self._steps_left < 0:
            error = SifError(
                f"the loops of this file run more than {self.limits.steps} cards in all"
            )
            raise self._located(error, loop.card) if loop else error

    def _located(self, error: SifError, card: Card) -> SifError:
        if error.line is not None:
            return error
        return SifError(error.reason, self.file, card.line, card.text)
