"""Expressions that problem files are made of: one graph, and ways to evaluate and differentiate it.

`graph` holds operations without repetitions, `operations` their arithmetic, `patterns` fixed sparsity.
`evaluator` evaluates a whole graph level by level with exact first and second derivatives.
"""
