import os
import runpy
from pathlib import Path

import pytest

TOUR = Path(__file__).parents[1] / "docs" / "tour.py"


@pytest.mark.slow
def test_the_tour_of_the_python_api_runs_from_its_first_cell_to_its_last(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path(os.fspath(TOUR))
    out = capsys.readouterr().out
    assert "1,766,672,064 MACs counted exactly" in out
    assert names["timed"].memory.peak_bytes > 0
    assert names["trained"].weights.is_file()
    assert names["evaluation"].clips == 4
    assert [path.name for path in names["figure"].paths] == ["bigru.svg"]
    assert "<svg" in names["figure"]._repr_html_()
    assert "<table" in names["counts"]._repr_html_()
