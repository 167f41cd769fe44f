"""Files of models as users write them."""

DETECTOR = """
import effbench
from torch import nn

class Small(effbench.Backbone):
    label, embed_dim, n_mels = "small", 8, 128

    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv1d(128, 8 * width, 3, padding=1)
        self.out = nn.Linear(8 * width, 8)

    def forward(self, features):
        return self.out(self.conv(features[:, 0]).mT)

def detector(width=1, n_classes=447, n_weak_classes=447):
    return effbench.SoundEventDetector(
        effbench.LogMelFrontend(), Small(width), nn.Identity(), width=8,
        n_classes=n_classes, n_weak_classes=n_weak_classes,
    )

def rigid():
    return detector(n_classes=5, n_weak_classes=5)

class Slow(effbench.SoundEventDetector):
    def forward(self, features):
        made = super().forward(features)
        return effbench.Predictions(made.strong[..., ::2], made.weak)

class Bare(effbench.SoundEventDetector):
    def forward(self, features):
        return super().forward(features).strong

def slow(n_classes=447):
    return Slow(effbench.LogMelFrontend(), Small(1), n_classes=n_classes)

def bare(n_classes=447):
    return Bare(effbench.LogMelFrontend(), Small(1), n_classes=n_classes)

def wrong():
    made = detector()
    made.strong_head = nn.Linear(9, 447)
    return made
"""

NETWORK = """
import torch
from torch import nn
import neighbour_of_mine

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1)

    def forward(self, x, *, scale=None):
        import neighbour_of_mine
        x = self.conv(x)
        return x if scale is None else x * scale

class Exotic(Net):
    def forward(self, x):
        return torch.linalg.pinv(super().forward(x))

class Keywords(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.layer = nn.Embedding(10, 4), nn.Linear(4, 2)

    def forward(self, tokens=None, mask=None):
        return self.layer(self.table(tokens)) * mask[..., None]

    def example_inputs(self):
        return {"mask": torch.ones(1, 6), "tokens": torch.zeros(1, 6, dtype=torch.int64)}

INSTANCE = nn.Linear(3, 2)
number = 3

def fails():
    raise KeyError("no such weights")

def nothing():
    pass
"""


def write(folder):
    """``detector.py``, and ``network.py``, which imports a neighbour."""
    (folder / "detector.py").write_text(DETECTOR)
    (folder / "network.py").write_text(NETWORK)
    (folder / "neighbour_of_mine.py").write_text("WIDTH = 3\n")
