"""What `python -m nn` trains and keeps: a table of data, standardised and split, a multilayer perceptron, a run folder.

Everything here can be called from Python too; nothing here names an optimizer.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, FileError, FormatError
from nn.choices import multilayer
from nn.containers import Sequential
from nn.data import train_test_split
from nn.datasets import DATASETS, Table, load_csv, load_dataset
from nn.files import read, save, write_atomically
from nn.functional import softmax
from nn.losses import CrossEntropyLoss, MSELoss
from nn.metrics import accuracy, r2_score
from nn.training import predict

__all__ = ["Config", "Run", "Scaling", "held_out", "load_table", "slug"]

Array = np.ndarray[Any, Any]
FORMAT = 1
SPLIT_SEED = 0  # of the held-out part; never of anything else
HELD_OUT = 0.2
CONFIG, WEIGHTS = "config.json", "model.safetensors"


@dataclass(frozen=True)
class Scaling:
    """Standardisation, (x − mean)/scale, by the mean and deviation of the training part alone. Features of one unit, such as
    pixels, share one scale: else those at the border, blank in nearly every picture, would count the most.

    >>> Scaling.of(np.array([[0.0, 5.0], [2.0, 5.0]])).apply(np.array([[1.0, 5.0]])).tolist()
    [[0.0, 0.0]]
    """

    mean: list[float]
    scale: list[float]

    @staticmethod
    def of(x: Array, one_unit: bool = False) -> Scaling:
        """The scaling of some samples; what does not vary is only shifted."""
        deviation = x.std(axis=0)
        if one_unit:
            deviation = np.full(deviation.shape, np.sqrt(np.mean(deviation**2)))
        return Scaling(x.mean(axis=0).tolist(), np.where(deviation > 0, deviation, 1.0).tolist())

    def apply(self, x: Array) -> Array:
        """Standardised, in float32."""
        scaled: Array = ((x - np.array(self.mean)) / np.array(self.scale)).astype(np.float32)
        return scaled

    def undo(self, x: Array) -> Array:
        """Back to the original units."""
        original: Array = x.astype(np.float64) * np.array(self.scale) + np.array(self.mean)
        return original


@dataclass
class Config:
    """All that `predict` needs beside the weights, and how they came about. Kept as JSON."""

    data: str
    target: str
    task: str
    samples: int
    feature_names: list[str]
    class_names: list[str] | None
    hidden: list[int]
    activation: str
    inputs: Scaling
    targets: Scaling | None  # of a regression
    training: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT
    dropout: float = 0.0

    def model(self, generator: Any = None) -> Sequential:
        """The network, with fresh weights."""
        outputs = len(self.class_names) if self.class_names else 1
        return multilayer(
            len(self.feature_names), self.hidden, outputs, self.activation, self.dropout, generator=generator
        )

    def loss(self) -> Any:
        """The loss that fits the task: cross-entropy, or mean squared error."""
        return CrossEntropyLoss(label_smoothing=self.training.get("label_smoothing", 0.0)) if self.class_names else MSELoss()

    def metrics(self) -> dict[str, Any]:
        """The metric that fits the task: accuracy, or R²."""
        return {"accuracy": accuracy} if self.class_names else {"r2": r2_score}

    def encode(self, targets: Array) -> Array:
        """Targets as the loss wants them: class indices, or standardised (N, 1)."""
        return targets if self.targets is None else self.targets.apply(targets[:, None])

    def decode(self, outputs: Array) -> Array:
        """The network's outputs as probabilities (N, C), or in the target's units (N,)."""
        if self.targets is not None:
            return self.targets.undo(outputs)[:, 0]
        return softmax(ag.Tensor(outputs, dtype=np.float64)).numpy()

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str, path: Any) -> Config:
        """From text; FormatError if it is not a config."""
        try:
            found = json.loads(text)
            if found["format"] > FORMAT:
                newer = f"{path} has format version {found['format']}, and this library reads up to {FORMAT}."
                raise FormatError(newer + " Install a newer one.")
            found["inputs"] = Scaling(**found["inputs"])
            found["targets"] = None if found["targets"] is None else Scaling(**found["targets"])
            config = Config(**found)
            sizes = [len(config.inputs.mean), len(config.inputs.scale)]
            if sizes != [len(config.feature_names)] * 2:
                raise ValueError("the scaling does not fit the features")
            return config
        except FormatError:
            raise
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise FormatError(
                f"{path} is not the configuration of a run: {reason:.200}. Train again, or restore the file."
            ) from None


@dataclass
class Run:
    """A trained network in a folder: its configuration and its weights."""

    folder: Path
    config: Config
    model: Sequential

    @staticmethod
    def load(folder: str | PathLike[str]) -> Run:
        """Read a run folder that `python -m nn train` wrote."""
        where = Path(folder)
        if not where.is_dir():
            raise FileError(
                f"there is no run folder {str(folder)!r}. Give a folder that `python -m nn train` made, such as runs/digits-1."
            )
        try:
            text = (where / CONFIG).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise FormatError(f"{where / CONFIG} is not UTF-8 text: it is damaged.") from None
        except OSError as error:
            raise FileError(f"{str(folder)!r} is not a run folder: cannot read {CONFIG}: {error.strerror}.") from None
        config = Config.from_json(text, where / CONFIG)
        state = read(where / WEIGHTS).state
        try:
            model = config.model(ag.Generator(0))
            model.load_state_dict(state)
        except (ArgumentError, TypeError) as error:
            raise FormatError(f"{where}: {CONFIG} and {WEIGHTS} do not belong together: {error}") from None
        return Run(where, config, model)

    def save(self) -> None:
        """Write the configuration and the weights."""
        write_atomically(self.folder / CONFIG, self.config.to_json())
        save(self.model, self.folder / WEIGHTS, {"task": self.config.task, "data": self.config.data})

    def predict(self, features: Array) -> Array:
        """Probabilities (N, C), or values (N,), of raw features (N, D)."""
        return self.config.decode(predict(self.model, self.config.inputs.apply(features)))


def load_table(data: str, target: str | None = None, task: str = "auto") -> Table:
    """A bundled data set by name, or a CSV file by path."""
    if data in DATASETS:
        if target is not None:
            raise ArgumentError(f"--target is for CSV files; the data set {data!r} has its own. Leave it out.")
        return load_dataset(data)
    if not data.lower().endswith((".csv", ".tsv", ".txt")) and not Path(data).is_file():
        return load_dataset(data)  # raises, with the nearest names
    if target is None:
        raise ArgumentError(f"which column of {data} is to be predicted? Name it: --target COLUMN.")
    return load_csv(data, target, task)


def held_out(table: Table) -> tuple[Array, Array]:
    """Indices of the training part and the held-out fifth, stratified by class. The split is the same for every run: it has
    a seed of its own. For the bundled sets it is scikit-learn's, so that its models can be compared on the same samples."""
    labels = table.targets if table.class_names else None
    if table.name in DATASETS:
        from sklearn.model_selection import train_test_split as split

        train, test = split(np.arange(len(table.features)), test_size=HELD_OUT, stratify=labels, random_state=SPLIT_SEED)
        return train, test
    return train_test_split(len(table.features), labels, HELD_OUT, SPLIT_SEED)


def slug(text: str) -> str:
    """A name that is safe as a part of a path.

    >>> slug("../my data")
    'my_data'
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[:60] or "data"
