"""Energy of the processor, where the machine counts it (RAPL) and lets us read the counters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["EnergyCounters"]

ROOT = Path("/sys/class/powercap")


@dataclass(frozen=True)
class EnergyCounters:
    """Counters of whole processor packages; those of their parts would count twice.

    The counters are of the whole machine: what other programs use meanwhile is in them.

    Examples
    --------
    >>> counters = EnergyCounters.find()
    >>> isinstance(counters.available, bool)
    True
    """

    folders: tuple[Path, ...]

    @classmethod
    def find(cls, root: Path = ROOT) -> EnergyCounters:
        """Return the counters that can be read; often none: in virtual machines, and without permission."""
        found = []
        for folder in sorted(root.glob("intel-rapl:*")):
            if folder.name.count(":") == 1:
                try:
                    int((folder / "energy_uj").read_text())
                    int((folder / "max_energy_range_uj").read_text())
                except (OSError, ValueError):
                    continue
                found.append(folder)
        return cls(tuple(found))

    @property
    def available(self) -> bool:
        """Whether there is anything to read."""
        return bool(self.folders)

    def read(self) -> tuple[int, ...]:
        """Return the counters now, in microjoules."""
        return tuple(int((folder / "energy_uj").read_text()) for folder in self.folders)

    def joules_since(self, before: tuple[int, ...]) -> float | None:
        """Return the energy since a reading, at most one turn of the counters ago; None: there are no counters."""
        if not self.available:
            return None
        total = 0
        for folder, first, now in zip(self.folders, before, self.read(), strict=True):
            turn = int((folder / "max_energy_range_uj").read_text())
            # The counter starts again from zero after its largest value.
            total += now - first if now >= first else now - first + turn
        return 1e-6 * total
