"""A fixture of pytest that compares two callables, run in turn, as versions are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from effbench.regress.sequential import Decision

Compare = Callable[..., "Decision"]

_DECISIONS = pytest.StashKey[list[str]]()


@pytest.fixture
def paired_benchmark(request: pytest.FixtureRequest) -> Compare:
    """Fails where the second callable is slower than the first: ``paired_benchmark(old, new)``."""

    def compare(
        old: Callable[[], object],
        new: Callable[[], object],
        *,
        threshold: float = 0.025,
        budget_seconds: float = 20.0,
    ) -> Decision:
        from effbench.regress.callables import compare_callables

        decision = compare_callables(old, new, threshold, budget_seconds)
        request.node.user_properties.append(("paired_benchmark", str(decision)))
        request.config.stash.setdefault(_DECISIONS, []).append(f"{request.node.nodeid}: {decision}")
        if "benchmark" in request.fixturenames:
            request.getfixturevalue("benchmark").extra_info["paired_benchmark"] = str(decision)
        if decision.verdict == "slower":
            pytest.fail(str(decision), pytrace=False)
        return decision

    return compare


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show every decision."""
    decisions = config.stash.get(_DECISIONS, [])
    if decisions:
        terminalreporter.section("paired benchmarks")
        for line in decisions:
            terminalreporter.line(line)
