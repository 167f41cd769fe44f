"""A report on ten thousand rows, and its explorer in a browser."""

import pytest

from effbench.reports.pages import report_models
from effbench.results.measurement import Measurement
from effbench.results.store import Store
from tests.browser import Page, chromium

MODELS = [f"model-{number}" for number in range(500)]
SETTING = {"part": "network", "precision": "fp32", "threads": 1, "seconds": 10.0}
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


def rows():
    """Twenty rows of each model: counts, a score, and timings by batch size on one device."""
    for number, name in enumerate(MODELS):
        macs = 1e8 * 1.01**number
        scored = {"data": "toys", "split": "eval", "protocol": "paper"}
        yield Measurement.here(name, "parameters", 1e5 * 1.008**number)
        yield Measurement.here(name, "macs_exact", macs)
        yield Measurement.here(name, "psds1", 30 + number**0.5 + number * 7 % 11 / 5, conditions=scored)
        for size in SIZES:
            timed = {
                "part": "network",
                "precision": "fp32",
                "batch_size": size,
                "threads": 1,
                "seconds": 10.0,
            }
            rate = 1e12 / macs * size**0.2
            yield Measurement.here(name, "throughput", rate, device="CPU", conditions=timed)
            yield Measurement.here(name, "memory_peak", 1e8 + size * 1e6, device="CPU", conditions=timed)
        yield Measurement.here(
            name, "latency_p50", macs / 1e11, device="CPU", conditions={**timed, "batch_size": 1}
        )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "store.sqlite"
    with Store(path, create=True) as kept:
        assert kept.add(rows()) == 10_000
    return path


@pytest.fixture(scope="module")
def page(store):
    return report_models("many", "Many", MODELS, store=store, out=store.parent / "report")[0]


def test_report(benchmark, store):
    out = store.parent / "again"
    benchmark.pedantic(report_models, ("many", "Many", MODELS), {"store": store, "out": out}, rounds=2)
    assert (out / "many.html").stat().st_size < 3_000_000


def test_explorer_is_ready(benchmark, page):
    with chromium() as browser:
        benchmark.pedantic(lambda: Page(browser, page).context.close(), rounds=3)


def test_explorer_follows_a_limit(benchmark, page):
    with chromium() as browser:
        opened = Page(browser, page)
        bounds = iter(range(1, 100))
        benchmark.pedantic(lambda: opened.go(f"limit.macs_exact={next(bounds)}e8"), rounds=5)
