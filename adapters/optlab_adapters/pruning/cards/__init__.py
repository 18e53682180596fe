"""Compact networks that are accurate and robust, and decks of them [DBBK21]: augmentation, gates, comparisons, statistics."""
