"""Linear algebra of the solvers: factorization, KKT systems, projection, Krylov methods."""
