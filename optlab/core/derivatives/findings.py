"""What a comparison of derivatives finds."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["DerivativeCheck", "WrongEntry"]

_LISTED = 20
"""Wrong entries that the repr lists."""


@dataclass(frozen=True, slots=True)
class WrongEntry:
    """One entry that the differences contradict."""

    verb: str
    """``"gradient"``, ``"jacobian"`` or ``"hessian"``."""

    row: int | None
    """Row of the matrix; None for the gradient."""

    column: int
    given: float
    difference: float
    """The difference that is nearer to the given value."""

    label: str
    """The entry in words, with names where the problem has them."""

    remark: str = ""
    """What else is known: it is not in the sparsity pattern, or not equal to its mirror image."""

    def __str__(self) -> str:
        more = f" ({self.remark})" if self.remark else ""
        return (
            f"{self.label}: given {self.given:.8g}, by differences {self.difference:.8g}{more}"
        )


@dataclass(frozen=True, slots=True)
class DerivativeCheck:
    """What :func:`check_derivatives` found."""

    wrong: tuple[WrongEntry, ...]
    """Worst first."""

    checked: dict[str, int] = field(default_factory=dict[str, int])
    """Entries compared, by verb."""

    largest_error: float = 0.0
    """Largest |given - difference| / max(|given|, |difference|), entries below a thousandth of the largest of
    their row counting as that large."""

    skipped: tuple[str, ...] = ()
    """What could not be compared, and why."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    def __bool__(self) -> bool:
        """Whether nothing is wrong."""
        return self.ok

    def __repr__(self) -> str:
        what = ", ".join(f"{count} of the {verb}" for verb, count in self.checked.items())
        head = f"compared entries: {what or 'none'}; largest relative error {self.largest_error:.1e}"
        lines = [f"{len(self.wrong)} wrong" if self.wrong else "no entry is wrong", head]
        lines += [f"  {entry}" for entry in self.wrong[:_LISTED]]
        if len(self.wrong) > _LISTED:
            lines.append(f"  ... and {len(self.wrong) - _LISTED} more")
        lines += [f"  not compared: {reason}" for reason in self.skipped]
        return "\n".join(lines)
