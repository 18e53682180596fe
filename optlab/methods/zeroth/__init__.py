"""Zeroth-order methods: gradients estimated from values of the objective, and what steps are made of them."""
