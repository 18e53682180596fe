"""Inspection of problems before they are solved."""

from __future__ import annotations

from optlab.trust.inspection.findings import Finding, Inspection, Severity
from optlab.trust.inspection.inspect import check

__all__ = ["Finding", "Inspection", "Severity", "check"]
