"""Other projects' solvers behind the same call: peers to compare with, and to fall back on.

A module registers one peer; importing it never imports the peer's package, which the first solve does.
See docs/peers.md for what is handed to each of them.
"""

from __future__ import annotations
