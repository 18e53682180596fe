"""Whether an answer, or a problem, can be trusted: reports, their verification, checks before a solve."""

from __future__ import annotations
