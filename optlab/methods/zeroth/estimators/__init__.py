"""Estimators of gradients from values."""
