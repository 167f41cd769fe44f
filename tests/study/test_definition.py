"""Studies: shipped ones are valid, and what is wrong with another is said."""

import re
from pathlib import Path

import pytest

from effbench.config import check
from effbench.errors import EffbenchError, UsageError
from effbench.resources import share
from effbench.study.definition import Study, load_study
from effbench.study.graph import jobs
from effbench.study.job import Workplace
from effbench.yaml_files import parse, shipped


@pytest.mark.parametrize("name", shipped("benchmarks/studies"))
def test_shipped_study_is_the_same_by_name_and_by_path(name):
    study = load_study(name)
    assert study.specs()
    assert load_study(str(share("benchmarks/studies") / f"{name}.yaml")) == study


def test_shipped_studies():
    assert shipped("benchmarks/studies") == ["cnn-vs-transformers", "paper", "paper-gpu", "quick"]


def test_studies_in_the_documentation_are_valid():
    page = Path(__file__).parents[2] / "docs" / "studies.md"
    examples = re.findall("```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        assert check(parse(example), Study, "example").specs()


def test_a_task_has_the_models_of_the_study_unless_it_names_its_own():
    study = Study(title="x", models=("fmn04", "fmn10+*-256", "fmn04"), tasks={})
    assert [str(spec) for spec in study.specs(("FMN06",))] == ["fmn06"]
    assert len(study.specs()) == len(set(study.specs())) == 7


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: []\ntasks: {}", "models: tuple should have at least 1 item"),
        ("models: [fmn04+tff-2]\ntasks: {}", r"models: unknown model 'fmn04\+tff-2'; did you mean"),
        (
            "models: [fmn04]\ntasks: {troughput: {}}",
            "tasks.troughput: unknown key; did you mean 'throughput'",
        ),
        (
            "models: [fmn04]\ntasks: {throughput: {batch_sizes: [0], precisions: [fp64]}}",
            r"has 2 problems\ntasks.throughput.precisions.0: 'fp64': .*\ntasks.throughput.batch_sizes.0: 0: ",
        ),
        ("models: [fmn04]\ntasks: {train: {data: x}}", "tasks.train.recipe: is missing"),
        (
            "models: [fmn04]\ntasks: {train: {recipe: x, data: y, seeds: [-1]}}",
            "tasks.train.seeds.0: -1: input should be greater than or equal to 0",
        ),
        (
            "models: [fmn04]\ntasks: {evaluate: {data: x, protocl: paper}}",
            "evaluate.protocl: unknown key; did you mean 'protocol'",
        ),
        (
            "models: [fmn04]\ntasks: {evaluate: {data: x, protocol: papr}}",
            "evaluate.protocol: unknown protocol 'papr'; did you mean 'paper'",
        ),
        ("models: [fmn04]\ntasks: {}\ndata: {toys: {clips: -1}}", "data.toys: clips must be from 0"),
        ("models: [fmn04]\ntasks: {}\ndata: {toys: {seconds: 0}}", "data.toys: seconds must be from 1"),
        (
            "models: [fmn04]\ntasks: {throughput: [{}, {device: cuda}]}",
            "tasks.throughput: 2 tasks of one kind need a name each",
        ),
        (
            "models: [fmn04]\ntasks: {throughput: [{}, {name: x, batch_sizes: [0]}]}",
            "tasks.throughput.1.batch_sizes.0: 0: ",
        ),
        ("models: [fmn04]\ntasks: {}\nbudget: 30", "budget: 30 is no duration above zero: write 90s, 30m"),
        ("models: [fmn04]\ntasks: {}\nbudget: 0h", "budget: '0h' is no duration above zero"),
        ("models: [fmn04]\ntasks: {}\nprice: {per_hour: 0}", "price.per_hour: 0: .* greater than 0"),
        ("{", "can't be read: .* in line 3"),
    ],
)
def test_bad_study_lists_its_problems(tmp_path, text, told):
    path = tmp_path / "study.yaml"
    path.write_text(f"title: x\n{text}\n")
    with pytest.raises(EffbenchError, match=told):
        load_study(str(path))


def test_a_protocol_of_one_s_own_lies_beside_the_study(tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    path = tmp_path / "own" / "study.yaml"
    path.write_text("title: x\nmodels: [fmn04]\ntasks: {evaluate: {data: x, protocol: mine.yaml}}\n")
    with pytest.raises(EffbenchError, match=r"own/mine.yaml can't be read"):
        load_study(str(path))
    (tmp_path / "own" / "mine.yaml").write_text("title: x\nmetrics: {psds1: {dtc: 2}}\n")
    with pytest.raises(EffbenchError, match=r"metrics.psds1.dtc: 2: .* less than or equal to 1"):
        load_study(str(path))
    (tmp_path / "own" / "mine.yaml").write_text("title: x\nmetrics: {segment: {}}\n")
    monkeypatch.chdir(tmp_path)
    (job,) = jobs(load_study("own/study.yaml"), Workplace(tmp_path, tmp_path / "store.sqlite"))
    assert re.fullmatch("mine-[0-9a-f]{8}", job.protocol)


def test_unknown_study_suggests_the_nearest():
    with pytest.raises(UsageError, match="unknown study 'quik'; did you mean 'quick'"):
        load_study("quik")
