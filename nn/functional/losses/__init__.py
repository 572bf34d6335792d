"""Losses, the notes' cost functions, and those that people look for beside them.

What all of them share:

- ``reduction="mean" | "sum" | "none"``, "mean" by default; of an empty batch, "mean" is NaN and "sum" 0.
- The dtype is that of the prediction; targets and weights take it.
- Values that make no sense (a class that does not exist, a probability of 1.2, a negative count) raise, with the value and its
  position. In a function compiled by `ag.jit` they raise before anything is written, without the value; the training loop then
  repeats the step uncompiled, and its message has it.
- NaN in a prediction is not an error here: it shows in the loss.
"""

from nn.functional.losses.classification import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    dice_loss,
    focal_loss,
    nll_loss,
    sigmoid_focal_loss,
)
from nn.functional.losses.margin import (
    categorical_hinge_loss,
    hinge_embedding_loss,
    hinge_loss,
    margin_ranking_loss,
    multi_margin_loss,
    squared_hinge_loss,
)
from nn.functional.losses.probabilistic import (
    gaussian_nll_loss,
    kl_div,
    kl_divergence,
    kl_normal,
    poisson_loss,
    poisson_nll_loss,
)
from nn.functional.losses.regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from nn.functional.losses.similarity import (
    cosine_embedding_loss,
    cosine_proximity_loss,
    cosine_similarity,
    pairwise_distance,
    triplet_margin_loss,
)

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "categorical_hinge_loss", "cosine_embedding_loss",
    "cosine_proximity_loss", "cosine_similarity", "cross_entropy", "dice_loss", "focal_loss", "gaussian_nll_loss",
    "hinge_embedding_loss", "hinge_loss", "huber_loss", "kl_div", "kl_divergence", "kl_normal", "l1_loss",
    "margin_ranking_loss", "mse_loss", "multi_margin_loss", "nll_loss", "pairwise_distance", "poisson_loss",
    "poisson_nll_loss", "sigmoid_focal_loss", "smooth_l1_loss", "squared_hinge_loss", "triplet_margin_loss",
]  # fmt: skip
