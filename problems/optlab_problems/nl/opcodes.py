"""The operators of .nl expressions ([Gay05]_, table 5) and what becomes of them.

Names are AMPL's. An operator without an entry in one of the tables of meaning is refused by name.
"""

from __future__ import annotations

__all__ = ["LISTS", "NAMES", "OPERATIONS", "arity"]

NAMES = {
    0: "plus", 1: "minus", 2: "mult", 3: "div", 4: "rem", 5: "pow", 6: "less",
    11: "min", 12: "max", 13: "floor", 14: "ceil", 15: "abs", 16: "neg",
    20: "or", 21: "and", 22: "lt", 23: "le", 24: "eq", 28: "ge", 29: "gt", 30: "ne", 34: "not",
    35: "if", 37: "tanh", 38: "tan", 39: "sqrt", 40: "sinh", 41: "sin", 42: "log10", 43: "log",
    44: "exp", 45: "cosh", 46: "cos", 47: "atanh", 48: "atan2", 49: "atan", 50: "asinh",
    51: "asin", 52: "acosh", 53: "acos", 54: "sum", 55: "intdiv", 56: "precision", 57: "round",
    58: "trunc", 59: "count", 60: "numberof", 61: "numberof (symbolic)", 62: "atleast",
    63: "atmost", 64: "piecewise linear", 65: "if (symbolic)", 66: "exactly", 67: "not atleast",
    68: "not atmost", 69: "not exactly", 70: "forall", 71: "exists", 72: "implies", 73: "iff",
    74: "alldiff", 75: "not alldiff", 76: "pow (constant exponent)", 77: "square",
    78: "pow (constant base)",
}  # fmt: skip
"""Number -> name, for messages."""

OPERATIONS = {
    13: ("floor", 1), 14: ("ceil", 1), 15: ("abs", 1), 34: ("not", 1), 37: ("tanh", 1),
    38: ("tan", 1), 39: ("sqrt", 1), 40: ("sinh", 1), 41: ("sin", 1), 42: ("log10", 1),
    43: ("log", 1), 44: ("exp", 1), 45: ("cosh", 1), 46: ("cos", 1), 47: ("atanh", 1),
    49: ("atan", 1), 50: ("asinh", 1), 51: ("asin", 1), 52: ("acosh", 1), 53: ("acos", 1),
    4: ("mod", 2), 48: ("atan2", 2), 20: ("or", 2), 21: ("and", 2), 22: ("<", 2), 23: ("<=", 2),
    24: ("==", 2), 28: (">=", 2), 29: (">", 2), 30: ("!=", 2), 73: ("==", 2),
    35: ("choose", 3),
}  # fmt: skip
"""Number -> operation of the graph and number of operands, where there is one that does just this."""

LISTS = {11: "min", 12: "max", 54: "sum", 70: "and", 71: "or"}
"""Number -> operation that joins any number of operands."""

_BUILT = {0: 2, 1: 2, 2: 2, 3: 2, 5: 2, 6: 2, 16: 1, 55: 2, 57: 2, 58: 2, 76: 2, 77: 1, 78: 2}
"""Number -> operands of those that `expressions` puts together."""


def arity(opcode: int) -> int | None:
    """Return the number of operands; None when the operator is not supported or takes a list."""
    if opcode in OPERATIONS:
        return OPERATIONS[opcode][1]
    return _BUILT.get(opcode)
