"""Random changes of samples that leave their meaning as it is: data augmentation, against overfitting.

A transform is called as ``transform(batch, generator)`` with arrays, of which the first is changed and the others, targets and
weights, are kept (`Mixup` and `CutMix` change targets too): what `DataLoader(transform=…)` wants. Of one array it gives one.
Every sample of a batch is changed by numbers of its own. The dtype stays; nothing is written into the input.

Images have shape (N, H, W) or (N, C, H, W), in any range of values; what comes in at the edges is `fill`. Interpolation is
linear, so that values stay between the smallest and the largest there were, and `fill`. Which changes
keep the meaning depends on the data: a mirrored 3 is no digit, and a 6 turned by 180 degrees is a 9.

Source: course notes, *Data Augmentation*, and questions 30 and 40; Simard et al. 2003, "Best practices for convolutional neural
networks".
"""

from nn.augment import images, mixing, noise
from nn.augment.images import *
from nn.augment.mixing import *
from nn.augment.noise import *
from nn.augment.transform import Compose, RandomApply, Transform

__all__ = [
    "Compose", "RandomApply", "Transform", *images.__all__, *noise.__all__, *mixing.__all__,
]  # fmt: skip
