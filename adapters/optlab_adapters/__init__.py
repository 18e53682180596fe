"""Learning tasks stated as optimization problems.

There is nothing here yet: the package exists so that its name, its place in the layers
(adapters > problems > optlab) and the packaging are settled before the first adapter lands.
Adapters will register themselves in the entry-point group ``optlab.problem_sources``.
"""

from __future__ import annotations

__all__: list[str] = []
