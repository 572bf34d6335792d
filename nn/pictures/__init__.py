"""Pictures of training, by matplotlib.

Functions draw: they take what is to be shown, then files to write (SVG, PNG or PDF, each whole or not at all), and return
matplotlib's Figure, which a notebook shows. Classes keep numbers while or before they are drawn, and have ``plot(*paths)``.
Nothing here uses pyplot, and models, optimizers and random streams are left as they were.
"""

from nn.pictures.boundary import BoundaryMovie, decision_boundary
from nn.pictures.confusion import confusion
from nn.pictures.curves import curves
from nn.pictures.filters import feature_maps, filters
from nn.pictures.landscape import WeightPath, landscape
from nn.pictures.live import LiveCurves
from nn.pictures.race import descend, race
from nn.pictures.rates import RangeTest, lr_range_test, schedule
from nn.pictures.recorder import Recorder
from nn.pictures.surfaces import SURFACES, Surface

__all__ = [
    "SURFACES", "BoundaryMovie", "LiveCurves", "RangeTest", "Recorder", "Surface", "WeightPath", "confusion", "curves",
    "decision_boundary", "descend", "feature_maps", "filters", "landscape", "lr_range_test", "race", "schedule",
]  # fmt: skip
