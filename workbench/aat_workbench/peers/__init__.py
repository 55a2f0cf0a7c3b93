"""Other frameworks that benchmarks measure against, each in an environment of its own, never a dependency."""
