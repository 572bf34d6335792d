"""One file for each engine: a function for each kind of work, which gives a `step()` that does it once and
returns numbers to compare; `version()`; `set_threads(n)` where the engine has threads of its own. A missing
function says that the engine leaves that work out."""
