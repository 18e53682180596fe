"""Optimization methods: one folder each, found by name through the registry."""
