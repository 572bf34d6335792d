"""Every notebook runs top to bottom, in its own folder as in Jupyter, and is committed with its outputs."""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from subprocess import DEVNULL

import nbformat
import pytest
from nbclient import NotebookClient

import autograd as ag

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def execute(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": FOLDER}})
    asyncio.run(client.async_execute(stdout=DEVNULL, stderr=DEVNULL))  # what a kernel says of itself


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, Future[None]]]:
    """The runs of the notebooks that are asked for, two at a time."""
    tests = (item for item in request.session.items if getattr(item, "originalname", "") == "test_notebook_runs")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(FOLDER.parent), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        yield {path: pool.submit(execute, path) for path in (test.callspec.params["path"] for test in tests) if runnable(path)}
        pool.shutdown(cancel_futures=True)


def runnable(path: Path) -> bool:
    """Some look into compiled programs."""
    return ag.can_compile() or ".explain()" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs(path: Path, runs: dict[Path, Future[None]]) -> None:
    if not runnable(path):
        pytest.skip("it looks into compiled programs, and nothing can be compiled here")
    runs[path].result()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_is_committed_as_run(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    pictures = [o["data"] for o in outputs if {"image/svg+xml", "image/png"} & o.get("data", {}).keys()]
    assert pictures
    assert path.stat().st_size < 1.5e6
    for picture in pictures:
        if "image/png" in picture:
            header = base64.b64decode(picture["image/png"])[:24]
            assert int.from_bytes(header[16:20], "big") <= 1800  # pixels wide


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_says_what_it_teaches_and_checks_what_it_claims(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].cell_type == "markdown" and "After this notebook you can" in cells[0].source
    assert cells[-1].cell_type == "markdown" and "## Try it" in cells[-1].source
    assert sum("assert" in cell.source for cell in cells if cell.cell_type == "code") >= 3


@pytest.mark.parametrize("path", [*NOTEBOOKS, FOLDER.parent / "README.md", *FOLDER.glob("*.md")], ids=lambda p: p.stem)
def test_links_lead_somewhere(path: Path) -> None:
    if path.suffix == ".md":
        texts = [path.read_text(encoding="utf-8")]
    else:
        texts = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    links = [link for text in texts for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)]
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []
