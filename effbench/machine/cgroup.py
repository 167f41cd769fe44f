"""Limits that a Linux control group (container, batch job) sets, versions 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_UNLIMITED = 1 << 60


class ControlGroup:
    """The control group of this process and all above it: where they are mounted, and which it is in."""

    def __init__(
        self, root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
    ) -> None:
        self.root = root
        self.membership = membership

    def cpu_quota(self) -> float | None:
        """Cores' worth of time that the processes may use together; None without a limit."""
        quotas: list[float] = []
        for folder in self._folders("cpu"):
            quota, _, period = read_text(folder / "cpu.max").partition(" ")
            quota = quota or read_text(folder / "cpu.cfs_quota_us")
            period = period or read_text(folder / "cpu.cfs_period_us")
            if quota.isdecimal() and period.isdecimal() and int(period) > 0:
                quotas.append(int(quota) / int(period))
        return min(quotas, default=None)

    def memory_limit(self) -> int | None:
        """Bytes that the processes may hold together; None without a limit."""
        names = ("memory.max", "memory.limit_in_bytes")
        limits = [value for folder in self._folders("memory") for value in _numbers(folder, names)]
        return min((limit for limit in limits if limit < _UNLIMITED), default=None)

    def memory_used(self) -> int:
        """Bytes that the processes hold, without file cache that can be dropped; 0 where unknown."""
        for folder in self._folders("memory"):
            for used in _numbers(folder, ("memory.current", "memory.usage_in_bytes")):
                fields = dict(line.split() for line in read_text(folder / "memory.stat").splitlines())
                return max(0, used - int(fields.get("inactive_file", 0)))
        return 0

    def _folders(self, controller: str) -> list[Path]:
        """Folders of one controller, innermost group first."""
        folders: list[Path] = []
        for line in read_text(self.membership).splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            base = self.root / controllers if controllers else self.root
            inner = base / path.lstrip("/")
            folders += [folder for folder in (inner, *inner.parents) if folder.is_relative_to(base)]
        return list(dict.fromkeys(folders))


def read_text(path: Path) -> str:
    """Stripped content of a file, empty where it can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _numbers(folder: Path, names: tuple[str, ...]) -> Iterator[int]:
    for name in names:
        text = read_text(folder / name)
        if text.isdecimal():
            yield int(text)
