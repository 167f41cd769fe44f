"""A check as files that CI systems read: JUnit, GitHub's job summary, and github-action-benchmark's JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree

from effbench.files import replacing, reporting_write_errors
from effbench.regress.baseline import COUNTS
from effbench.regress.result import Check


def write_junit(check: Check, path: Path) -> None:
    """One test case a model; its problems are the failure, and a verdict that is open is skipped."""
    suite = ElementTree.Element("testsuite", name="effbench regress", tests=str(len(check.models)))
    suite.set("failures", str(sum(not model.passed for model in check.models)))
    suite.set("skipped", str(sum(model.status in ("new", "undecided") for model in check.models)))
    for model in check.models:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"against {check.against}", name=model.spec
        )
        if not model.passed:
            text = "\n".join(model.problems)
            ElementTree.SubElement(
                case, "failure", type=model.status, message=text.splitlines()[0]
            ).text = text
        elif model.status in ("new", "undecided"):
            ElementTree.SubElement(case, "skipped", message=model.status)
    text = ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)
    with replacing(path, make_folder=True) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_benchmark(check: Check, path: Path) -> None:
    """What github-action-benchmark's ``customSmallerIsBetter`` reads: each count and time ratio."""
    entries: list[dict[str, object]] = []
    for model in check.models:
        for name, label in COUNTS.items():
            value = getattr(model.now, name, None)
            if value is not None:
                unit = "bytes" if name.endswith("bytes") else "count"
                entries.append({"name": f"{model.spec}: {label}", "unit": unit, "value": value})
        if model.timed:
            decision = model.timed.decision
            ratio = decision.ratio
            half = (ratio.high - ratio.low) / 2
            entries.append(
                {
                    "name": f"{model.spec}: time against {check.against}",
                    "unit": "ratio",
                    "value": ratio.value,
                    **({"range": f"± {half:.3f}"} if math.isfinite(half) else {}),
                    "extra": str(decision),
                }
            )
    with replacing(path, make_folder=True) as temporary:
        temporary.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def add_summary(check: Check, path: Path) -> None:
    """Append the check to a job's summary, as Markdown."""
    mark = "✅" if check.passed else "❌"
    parts = [
        f"### {mark} effbench regress",
        check.table().to_markdown(),
        *check.notes,
        *check.verdict.splitlines(),
    ]
    with reporting_write_errors(path), path.open("a", encoding="utf-8") as summary:
        summary.write("\n\n".join(parts) + "\n\n")
