"""The default zeroth-order method, ``zo``: finds its steps from values alone; see :mod:`.method`."""

from optlab.methods.zeroth.adaptive.method import AdaptiveZerothOrder

__all__ = ["AdaptiveZerothOrder"]
