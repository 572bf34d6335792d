"""Everything that Numba compiles. A leaf: it imports nothing of the engine."""
