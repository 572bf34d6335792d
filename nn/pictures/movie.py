"""Frames of equal size to a GIF, or to one HTML file with a slider, keys and no network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from io import BytesIO
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from autograd.errors import ArgumentError
from nn.files import write_atomically
from nn.pictures.look import look

__all__ = ["frame", "write_movie"]

Array = np.ndarray[Any, Any]


def frame(figure: Any, dpi: int = 100) -> Array:
    """A figure as pixels, (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with look():
        figure.set_dpi(dpi)
        drawn = FigureCanvasAgg(figure)
        drawn.draw()
    return np.asarray(drawn.buffer_rgba())[..., :3].copy()


def write_movie(path: str | PathLike[str], frames: Callable[[], Sequence[Array]], fps: float) -> None:
    """Write frames to a .gif or .html file; they are made only once the path and the speed are known to be good."""
    kind = Path(path).suffix.lower()
    if kind not in (".gif", ".html"):
        raise ArgumentError(f"a movie is written as .gif or .html, not {fspath(path)!r}.")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps <= 50:
        raise ArgumentError(f"fps, the frames in a second, must be above 0 and at most 50, got {fps!r}.")
    pictures = frames()
    write_atomically(path, gif(pictures, fps) if kind == ".gif" else html(pictures, fps))


def gif(frames: Sequence[Array], fps: float) -> bytes:
    """A GIF that begins again two seconds after its end."""
    from PIL import Image

    images = [Image.fromarray(f).quantize(128, dither=Image.Dither.NONE) for f in frames]
    times = [round(1000 / fps)] * (len(images) - 1) + [2000]
    out = BytesIO()
    images[0].save(out, "GIF", save_all=True, append_images=images[1:], duration=times, loop=0)
    return out.getvalue()


def html(frames: Sequence[Array], fps: float) -> str:
    """A page, or a part of one, that plays the frames."""
    from PIL import Image

    sources = []
    for f in frames:
        out = BytesIO()
        Image.fromarray(f).quantize(128, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        sources.append('"data:image/png;base64,' + b64encode(out.getvalue()).decode() + '"')
    page = PAGE.replace("FRAMES", ",".join(sources)).replace("WIDTH", str(frames[0].shape[1]))
    return page.replace("WAIT", str(round(1000 / fps))).replace("LAST", str(len(frames) - 1))


PAGE = """<!doctype html><meta charset="utf-8"><title>movie</title>
<style>body{font:14px sans-serif;margin:12px;background:#fff;color:#1f2933}img{max-width:100%;display:block}
.bar{display:flex;gap:10px;align-items:center;max-width:WIDTHpx}.bar input{flex:1}button{font:inherit;min-width:5em}</style>
<img id="picture" alt="a frame of the movie"><div class="bar"><button id="play">Pause</button>
<input id="at" type="range" min="0" max="LAST" value="0" aria-label="frame"><output id="number"></output></div>
<p>Space plays and pauses; the arrow keys step.</p>
<script>
const frames=[FRAMES],last=LAST,picture=document.getElementById("picture"),at=document.getElementById("at"),
play=document.getElementById("play"),number=document.getElementById("number");let k=0,running=true;
function show(n){k=(n+frames.length)%frames.length;picture.src=frames[k];at.value=k;number.textContent=`${k+1} / ${last+1}`}
function run(on){running=on;play.textContent=on?"Pause":"Play"}
setInterval(()=>{if(running)show(k+1)},WAIT);
at.oninput=()=>{run(false);show(+at.value)};play.onclick=()=>run(!running);
document.onkeydown=e=>{const step={ArrowRight:1,ArrowLeft:-1}[e.key];
if(step){run(false);show(k+step);e.preventDefault()}else if(e.key===" "){run(!running);e.preventDefault()}};
show(0);
</script>
"""
