"""Methods for cardinality constraints: weights that are pruned while they are trained, and masks of weights that never are."""
