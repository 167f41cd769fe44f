"""The system's Chromium, for tests of pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[object]:
    """A headless browser; skips without one, unless ``EFFBENCH_BROWSER`` is ``required``: then it fails."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        missing = f"no browser: none of {', '.join(NAMES)} is installed"
        assert os.environ.get("EFFBENCH_BROWSER") != "required", missing
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Page:
    """An open page of a report, and all that its console said and its scripts asked of a network."""

    def __init__(self, browser: object, path: Path, **options: object) -> None:
        self.complaints: list[str] = []
        self.context = browser.new_context(reduced_motion="reduce", **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(5_000)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note)
        self.url = path.as_uri()
        self.page.goto(self.url)
        self.ready()

    def _note(self, request: object) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(request.url)

    def ready(self) -> None:
        """Wait until the chart is drawn."""
        self.page.wait_for_selector("#explorer[data-state=ready]")

    def go(self, state: str) -> None:
        """The page in the state that an address says."""
        self.page.evaluate("state => { location.hash = state; load(); }", state)
        self.ready()

    def models(self) -> list[str]:
        """Models in the table, from the top."""
        script = "rows => rows.map(row => row.dataset.model)"
        return self.page.eval_on_selector_all("#x-table tbody tr", script)

    def within(self) -> set[str]:
        """Those within all limits."""
        script = "rows => rows.map(row => row.dataset.model)"
        return set(self.page.eval_on_selector_all("#x-table tbody tr:not(.beyond)", script))

    def best(self) -> str | None:
        """The recommended model."""
        script = "rows => rows.map(row => row.dataset.model)"
        return next(iter(self.page.eval_on_selector_all("#x-table tbody tr.best", script)), None)
