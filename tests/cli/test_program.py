"""The installed program: every command has help with an example, and does a small job in its own process."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.command import run_program
from tests.jobs import ALL, JOBS, arguments, make_world


@pytest.mark.parametrize("name", ALL)
def test_help_has_an_example(effbench, name):
    done = effbench(*name.split(), "--help")
    assert done.returncode == 0
    assert f"Example: effbench {name} " in done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder and result of every job; two at a time, since most of a job is loading torch."""
    place = tmp_path_factory.mktemp("program")
    world = make_world(place)

    def job(name):
        folder = place / name
        folder.mkdir()
        return folder, run_program(folder, *arguments(name, world))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(JOBS, pool.map(job, JOBS), strict=True))


@pytest.mark.parametrize("name", ALL)
def test_command_does_a_small_job(finished, name):
    folder, done = finished[name]
    wanted = JOBS[name][1]
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert wanted in done.stdout + done.stderr or (folder / wanted).exists()
