"""One file for each engine: a function for each kind of work (`mlp`, `gelu`, …; see `bench/workloads.py` for what they
give), `version()`, and where it applies `set_threads(n)` and `SETTINGS`, which says in words how the engine is used. A
missing function says that the engine leaves that work out."""
