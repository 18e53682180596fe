"""The sections of a file that describe element types, elements, group types and their uses.

[SIF92]_ sections 2.2.14 to 2.2.18.

.. [SIF92] A. R. Conn, N. I. M. Gould, Ph. L. Toint, *LANCELOT*, Springer 1992, chapter 7.
"""

from __future__ import annotations

from optlab_problems.sif.cards import Card, to_number
from optlab_problems.sif.draft import Draft, ElementType, GroupType
from optlab_problems.sif.errors import SifError, fail
from optlab_problems.sif.linear_sections import AbstractSection
from optlab_problems.sif.parameters import Action, Parameters

__all__ = [
    "ElementTypeSection",
    "ElementUsesSection",
    "GroupTypeSection",
    "GroupUsesSection",
    "ObjectBoundSection",
    "ObjectiveSenseSection",
]

_DEFAULT = "'DEFAULT'"


class ElementTypeSection(AbstractSection):
    """ELEMENT TYPE: EV, IV and EP cards."""

    def compile(self, card: Card) -> Action:
        """Return the action of a card; types have no loops, so it is done at once."""
        if card.code not in ("EV", "IV", "EP"):
            fail(f"code {card.code!r}: EV, IV or EP is needed")
        types = self.draft.element_types
        found = types.setdefault(card.name2, ElementType(card.name2))
        names = {"EV": found.variables, "IV": found.internals, "EP": found.parameters}[
            card.code
        ]
        for name in (card.name3, card.name5):
            _add_name(names, name)
        return _nothing


class GroupTypeSection(AbstractSection):
    """GROUP TYPE: GV and GP cards."""

    def compile(self, card: Card) -> Action:
        """Return the action of a card; types have no loops, so it is done at once."""
        found = self.draft.group_types.setdefault(card.name2, GroupType(card.name2))
        if card.code == "GV":
            found.variable = card.name3.strip().upper()
        elif card.code == "GP":
            for name in (card.name3, card.name5):
                _add_name(found.parameters, name)
        else:
            fail(f"code {card.code!r}: GV or GP is needed")
        return _nothing


class ElementUsesSection(AbstractSection):
    """ELEMENT USES: the type, variables and parameters of every element."""

    def compile(self, card: Card) -> Action:
        """Return the action of a card."""
        if card.code in ("T", "XT", "ZT"):
            return self._type(card)
        if card.code in ("V", "XV", "ZV"):
            return self._variable(card)
        if card.code in ("P", "XP", "ZP"):
            return self._parameter(card)
        raise SifError(f"code {card.code!r}: T, V or P, alone or after X or Z, is needed")

    def _type(self, card: Card) -> Action:
        draft = self.draft
        kind = draft.element_types.get(card.name3)
        if kind is None:
            fail(f"element type {card.name3!r} is not defined")
        if card.name2.strip() == _DEFAULT:
            return lambda: setattr(draft, "default_element_type", kind)
        name, new, index = self.name(card, card.name2), draft.new_element, draft.element_index

        def put() -> None:
            label = name()
            position = index.get(label)
            draft.element_type[new(label) if position is None else position] = kind

        return put

    def _variable(self, card: Card) -> Action:
        draft, slot = self.draft, card.name3.strip().upper()
        name, variable = self.name(card, card.name2), self.name(card, card.name5)
        if not slot or not card.name5.strip():
            fail("fields 3 and 5 must name an elemental variable and a problem variable")
        new_element, new_variable = draft.new_element, draft.new_variable
        elements, variables = draft.element_index, draft.variable_index
        assigned = draft.element_variables

        def put() -> None:
            # The two look-ups stand here in full: no card of large problems runs more often.
            label, problem_label = name(), variable()
            element, position = elements.get(label), variables.get(problem_label)
            if element is None:
                element = new_element(label)
            assigned[element][slot] = (
                new_variable(problem_label) if position is None else position
            )

        return put

    def _parameter(self, card: Card) -> Action:
        draft, name = self.draft, self.name(card, card.name2)
        slots = [card.name3.strip().upper(), card.name5.strip().upper()]
        if card.code[:1] == "Z":
            values = [self.real(card.name5)]
            slots = slots[:1]
        else:
            values = [value for _, value in self.pairs(card)]
        given = list(zip(slots, values, strict=False))
        assigned, new_element = draft.element_parameters, draft.new_element

        def put() -> None:
            target = assigned[new_element(name())]
            for slot, value in given:
                target[slot] = value()

        return put


class GroupUsesSection(AbstractSection):
    """GROUP USES: the type, elements and parameters of every group."""

    def compile(self, card: Card) -> Action:
        """Return the action of a card."""
        if card.code in ("T", "XT", "ZT"):
            return self._type(card)
        if card.code in ("E", "XE", "ZE"):
            return self._element(card)
        if card.code in ("P", "XP", "ZP"):
            return self._parameter(card)
        raise SifError(f"code {card.code!r}: T, E or P, alone or after X or Z, is needed")

    def _type(self, card: Card) -> Action:
        draft = self.draft
        kind = draft.group_types.get(card.name3)
        if kind is None and card.name3.strip().upper() != "TRIVIAL":
            fail(f"group type {card.name3!r} is not defined")
        if card.name2.strip() == _DEFAULT:
            return lambda: setattr(draft, "default_group_type", kind)
        name = self.name(card, card.name2)

        def put() -> None:
            draft.group_type[draft.group(name())] = kind

        return put

    def _element(self, card: Card) -> Action:
        draft, name, limit = self.draft, self.name(card, card.name2), self.draft.limits.items
        pairs = list(self.pairs(card, blank=1.0))
        groups, elements, weights = draft.use_groups, draft.use_elements, draft.use_weights
        group, element = draft.group, draft.element

        def put() -> None:
            position = group(name())
            for used, weight in pairs:
                elements.append(element(used()))
                groups.append(position)
                weights.append(weight())
            if len(groups) > limit:
                fail(f"more than {limit} uses of elements")

        return put

    def _parameter(self, card: Card) -> Action:
        draft, name = self.draft, self.name(card, card.name2)
        slots = [card.name3.strip().upper(), card.name5.strip().upper()]
        if card.code[:1] == "Z":
            values = [self.real(card.name5)]
            slots = slots[:1]
        else:
            values = [value for _, value in self.pairs(card)]
        given = list(zip(slots, values, strict=False))

        def put() -> None:
            target = draft.group_parameters.setdefault(draft.group(name()), {})
            for slot, value in given:
                target[slot] = value()

        return put


class ObjectBoundSection(AbstractSection):
    """OBJECT BOUND: known bounds on the objective, kept for information."""

    def compile(self, card: Card) -> Action:
        """Return the action of a card."""
        if card.code not in ("LO", "UP", "XL", "XU", "ZL", "ZU"):
            fail(f"code {card.code!r}: not a kind of bound")
        side = 0 if "L" in card.code else 1
        bounds = self.draft.objective_bounds
        if card.code[:1] == "Z":
            real = self.real(card.name5)
            return lambda: bounds.__setitem__(side, real())
        value = to_number(card.value4)
        return lambda: bounds.__setitem__(side, value)


class ObjectiveSenseSection(AbstractSection):
    """OBJSENSE, an extension of MPS files: MAX or MIN."""

    def compile(self, card: Card) -> Action:
        """Return the action of a card; it is done at once."""
        word = card.text.split()[0].upper()
        if not word.startswith(("MAX", "MIN")):
            fail(f"{word!r}: MAX or MIN is needed")
        self.draft.maximize = word.startswith("MAX")
        return _nothing


def _add_name(names: list[str], text: str) -> None:
    name = text.strip().upper()
    if name and name not in names:
        names.append(name)


def _nothing() -> None:
    """Do nothing: the card was used when it was compiled."""


def sections(draft: Draft, parameters: Parameters) -> dict[str, AbstractSection]:
    """Return the sections of this module by keyword."""
    return {
        "ELEMENT TYPE": ElementTypeSection(draft, parameters),
        "ELEMENT USES": ElementUsesSection(draft, parameters),
        "GROUP TYPE": GroupTypeSection(draft, parameters),
        "GROUP USES": GroupUsesSection(draft, parameters),
        "OBJECT BOUND": ObjectBoundSection(draft, parameters),
        "OBJSENSE": ObjectiveSenseSection(draft, parameters),
    }
