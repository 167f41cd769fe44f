"""The explorer as a part of an HTML page that needs no other file and asks no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from effbench.reports.explorer.chart import chart
from effbench.reports.explorer.explored import explored
from effbench.reports.explorer.model_details import ModelDetails, model_details
from effbench.reports.explorer.payload import as_script, payload
from effbench.resources import share


@dataclass(frozen=True)
class Inlay:
    """What the explorer's template is filled with.

    Attributes:
        scripts: texts of its scripts, in order: Vega with Vega-Lite, the data, and what binds them.
        style: its style sheet.
        details: of each model.
    """

    scripts: tuple[str, ...]
    style: str
    details: Sequence[ModelDetails]

    @property
    def policy(self) -> str:
        """A content security policy by which the page runs these scripts alone and loads nothing."""
        digests = (hashlib.sha256(script.encode()).digest() for script in self.scripts)
        allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
        return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"


def inlay(rows: pd.DataFrame, specs: Sequence[str], device: str | None = None) -> Inlay:
    """The explorer of these models, from newest rows of a store; ``explored`` knows the arguments."""
    import vl_convert

    found = explored(rows, specs, device)
    given = {**payload(found), "chart": chart()}
    scripts = (
        vl_convert.javascript_bundle(),  # type: ignore[call-arg]  # the stubs ask for what may be left out
        f"const EXPLORED = {as_script(given)};",
        _resource("answer.js"),
        _resource("explorer.js"),
    )
    return Inlay(scripts, _resource("explorer.css"), model_details(rows, found))


def _resource(name: str) -> str:
    return share(f"reports/explorer/{name}").read_text(encoding="utf-8")
