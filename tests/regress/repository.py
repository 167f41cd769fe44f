"""A small git repository with models of somebody's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

NETS = """
import time
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width=8, depth=40):
        super().__init__(nn.Linear(64, width), nn.Linear(width, 64))
        self.depth = depth

    def forward(self, x):
        for _ in range(self.depth):
            x = super().forward(x)
        return x

class Same(Net):
    pass

class Wider(Net):
    pass

class Narrower(Net):
    pass

class Deeper(Net):
    pass

class Gone(Net):
    pass
"""
#: The same, each as its name says.
CHANGED = (
    NETS.replace(
        "Wider(Net):\n    pass", "Wider(Net):\n    def __init__(self):\n        super().__init__(width=9)"
    )
    .replace(
        "Narrower(Net):\n    pass",
        "Narrower(Net):\n    def __init__(self):\n        super().__init__(width=7)",
    )
    .replace(
        "Deeper(Net):\n    pass", "Deeper(Net):\n    def __init__(self):\n        super().__init__(depth=41)"
    )
    .replace("class Gone(Net):\n    pass", "class New(Net):\n    pass")
)


def model(name: str) -> str:
    """The reference of one of the models, in the folder of the repository."""
    return f"{name.lower()}=./net.py:{name}?input=1,64"


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, content: str, name: str = "net.py") -> None:
    """Make the folder a repository, if it is none, and commit a file."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / name).write_text(content)
    git(folder, "add", name)
    git(folder, "commit", "--quiet", "-m", "Next")
