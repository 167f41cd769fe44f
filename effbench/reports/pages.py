"""Builds a report: a Markdown page with its figures beside it, and one HTML page that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jinja2
import markdown
import pandas as pd

from effbench.errors import UsageError, nearest
from effbench.files import replacing, require_folder
from effbench.plots.caption import caption
from effbench.plots.choices import ImageFormat
from effbench.plots.draw import draw
from effbench.plots.save import render
from effbench.plots.statistical.api import draw_statistics
from effbench.reports import any_models, paper
from effbench.reports.content import Content
from effbench.reports.explorer.inlay import Inlay, inlay
from effbench.reports.words import FILTERS
from effbench.resources import share
from effbench.results.shipped import newest_rows

#: Reports on what was published, by name: each collects its content from rows of the store, drawing timings
#: of a device (``None``: the most complete). Its template is ``reports/<name>.md.j2``.
REPORTS: Mapping[str, Callable[[pd.DataFrame, str | None], Content]] = {"paper": paper.content}

TEMPLATES = "reports"
_MODELS = "models"
_PAGE = "report.html.j2"

#: Where in a Markdown page the explorer stands in the HTML page.
_EXPLORER = "<!-- explorer -->"


def report(
    study: str, *, store: Path | str | None = None, out: Path | str, device: str | None = None
) -> list[Path]:
    """Write one of ``REPORTS`` from a results store, as ``build``.

    The store is by default ``results/effbench.sqlite``, or what ships where there is none.

    Raises:
        StoreError: no such store, or one that can't be read.
        EffbenchError: the folder can't be written; said before the store is read.
    """
    _require(study)
    require_folder(Path(out))
    return build(study, newest_rows(store), Path(out), device=device)


def report_models(
    name: str,
    title: str,
    models: Sequence[str],
    *,
    store: Path | str | None = None,
    out: Path | str,
    device: str | None = None,
) -> list[Path]:
    """Write a report on any models: ``<name>.md``, ``.html`` and ``.svg``; otherwise as ``report``.

    Raises:
        MissingResults: nothing is known of any of the models.
    """
    require_folder(Path(out))
    rows = newest_rows(store)
    content = any_models.content(name, title, models, rows, device)
    return _write(name, _MODELS, content, rows, Path(out))


def build(name: str, rows: pd.DataFrame, out: Path, *, device: str | None = None) -> list[Path]:
    """Write ``<name>.md``, ``<name>.html`` and the figures as SVG into a folder, which is made if missing.

    Equal rows give equal files. ``rows`` are the newest of the results store, published results included;
    figures show timings of the ``device``, by default the most complete one.

    Returns:
        The files that were written, the HTML page first.

    Raises:
        UsageError: an unknown report or device.
        MissingResults: the rows lack what the report needs.
        EffbenchError: the folder can't be made or written.
    """
    _require(name)
    return _write(name, name, REPORTS[name](rows, device), rows, out)


def _write(name: str, template: str, content: Content, rows: pd.DataFrame, out: Path) -> list[Path]:
    images = {
        f"{figure}.svg": render(draw(data), ImageFormat.svg) for figure, data in content.figures.items()
    }
    captions = {figure: caption(data) for figure, data in content.figures.items()}
    for figure, shown in content.statistics.items():
        images[f"{figure}.svg"] = render(draw_statistics(shown), ImageFormat.svg)
        captions[figure] = f"{shown.title}. {shown.caption}"
    text = _templates().get_template(f"{template}.md.j2")
    page = text.render(title=content.title, captions=captions, **content.values)
    html = _html(content, page, images, inlay(rows, content.models, content.device))
    files = {f"{name}.html": html.encode(), f"{name}.md": page.encode(), **images}
    for file, data in files.items():
        with replacing(out / file, make_folder=True) as temporary:
            temporary.write_bytes(data)
    return [out / file for file in files]


def _require(name: str) -> None:
    if name not in REPORTS:
        raise UsageError(f"unknown report '{name}'{nearest(name, REPORTS)}\nReports: {', '.join(REPORTS)}.")


def _html(content: Content, page: str, images: Mapping[str, bytes], explorer: Inlay) -> str:
    """The Markdown page as HTML, with its figures inside, and the explorer in its place."""
    converter = markdown.Markdown(extensions=["tables", "toc", "md_in_html", "sane_lists"])
    body = converter.convert(page)
    body = body.replace("<table>", '<div class="table" tabindex="0"><table>')
    body = body.replace("</table>", "</table></div>")
    for file, image in images.items():
        data = base64.b64encode(image).decode()
        body = body.replace(f'src="{file}"', f'src="data:image/svg+xml;base64,{data}"')
    before, after = body.split(_EXPLORER)
    sections = [token for top in converter.toc_tokens for token in top["children"]]  # type: ignore[attr-defined]
    template = _templates().get_template(_PAGE)
    return template.render(title=content.title, before=before, after=after, sections=sections, inlay=explorer)


def _templates() -> jinja2.Environment:
    """Templates that refuse names that nobody gave them, and let no value pass for HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(share(TEMPLATES)),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(FILTERS)
    return environment
