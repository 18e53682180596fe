"""The nineteen corruptions of [HD19], one module per family: noise, blur, weather, digital processing.

All are written from the published formulas and parameters. Two parts are this project's own: the texture of ``frost`` is
synthetic (the publication uses photographs), and the rims of water drops in ``spatter`` come from the drops' borders instead of
an edge detector.
"""

from __future__ import annotations

# The order of import is the order of the table, that of the publication.
# isort: off
from optlab_adapters.robustness.corruptions import noise
from optlab_adapters.robustness.corruptions import blur
from optlab_adapters.robustness.corruptions import weather
from optlab_adapters.robustness.corruptions import digital

# isort: on
from optlab_adapters.robustness.corruptions.registry import (
    CORRUPTIONS,
    Corruption,
    Images,
    Scale,
    corruption,
    names_of,
)
from optlab_adapters.robustness.corruptions.streams import Streams

__all__ = [
    "CORRUPTIONS",
    "Corruption",
    "Images",
    "Scale",
    "Streams",
    "blur",
    "corruption",
    "digital",
    "names_of",
    "noise",
    "weather",
]
