"""The core: problem, oracle, driver, checker, reductions, registry, observers."""
