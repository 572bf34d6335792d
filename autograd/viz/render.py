"""Running Graphviz: the `dot` program where there is one, else the copy inside pygraphviz's wheel."""

from __future__ import annotations

import shutil
import subprocess
import warnings

from autograd.errors import AutogradError

__all__ = ["RenderError", "run", "run_all"]

TIMEOUT = 20.0  # seconds; 150 boxes take 0.1


class RenderError(AutogradError, RuntimeError):
    """No Graphviz could lay the picture out; the message says what was tried."""


def run(source: str, form: str, *options: str, engine: str = "dot") -> bytes:
    """What Graphviz makes of DOT text in one of its output formats; the engine is what gives things their places.

    Raises:
        RenderError: if neither renderer is there or works.
    """
    reasons = []
    for renderer in (_program, _library):
        try:
            return renderer(source, form, options, engine)
        except _Failed as reason:
            reasons.append(str(reason))
    raise RenderError(
        f"cannot lay the picture out: {'; '.join(reasons)}. Install one of the two: `pip install pygraphviz` "
        f"(version 2 brings Graphviz along), or Graphviz from https://graphviz.org/download. The DOT text "
        f"needs neither: picture.dot, or picture.save('graph.dot')."
    )


def run_all(sources: list[str]) -> list[str]:
    """The layouts of many graphs, in Graphviz's "plain" format: one run of the program for all of them."""
    if not sources:
        return []
    try:
        answers = _program("".join(sources), "plain", ()).decode().split("\nstop")[:-1]
        if len(answers) == len(sources):
            return answers
    except _Failed:
        pass
    return [run(source, "plain").decode() for source in sources]


class _Failed(Exception):
    """Why one renderer did not work."""


def _program(source: str, form: str, options: tuple[str, ...], engine: str = "dot") -> bytes:
    path = shutil.which("dot")
    if path is None:
        raise _Failed("there is no program `dot`")
    try:
        done = subprocess.run(
            [path, f"-K{engine}", f"-T{form}", *options],
            input=source.encode(),
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _Failed(f"{path} did not end within {TIMEOUT:g} s") from None
    except OSError as error:
        raise _Failed(f"{path} could not be started ({error.strerror or error})") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()[:200]
        raise _Failed(f"{path} failed with status {done.returncode}" + (f" ({said})" if said else ""))
    return done.stdout


def _library(source: str, form: str, options: tuple[str, ...], engine: str = "dot") -> bytes:
    try:
        with warnings.catch_warnings():  # its generated wrapper warns about itself on some Pythons
            warnings.simplefilter("ignore")
            import pygraphviz
    except ImportError as error:
        raise _Failed(f"pygraphviz cannot be imported ({error})") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn: bytes | None = pygraphviz.AGraph(string=source).draw(
                format=form, prog=engine, args=" ".join(options)
            )
    except Exception as error:  # whatever the foreign code raises, the next step is the same
        raise _Failed(f"pygraphviz failed ({type(error).__name__}: {str(error)[:200]})") from None
    if not drawn:
        raise _Failed("pygraphviz returned nothing")
    return drawn
