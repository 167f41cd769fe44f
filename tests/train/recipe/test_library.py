"""Every recipe under ``train/``: what it says, and that it can be followed."""

import pytest
import yaml

from effbench.data.synth import synthesise
from effbench.data.vocabulary import strong_classes
from effbench.errors import EffbenchError, UsageError
from effbench.spec import ModelSpec
from effbench.train.estimate import estimate
from effbench.train.plan import plan_training
from effbench.train.recipe.library import changes_of, load_recipe, recipe_names
from effbench.train.recipe.recipe import Recipe
from effbench.train.runs import recipe_text
from tests.train.small import CPU, MODEL, planned, save_model

SPECS = ("fmn04", "fmn10+tf-256", "fmn06+gru-160", "fmn15+hybrid-128", "BEATs")


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("name", recipe_names())
def test_recipe_loads_for_every_model_and_reads_back_from_a_run(name, spec):
    recipe = load_recipe(name, ModelSpec.parse(spec))
    assert Recipe.model_validate(yaml.safe_load(recipe_text(recipe))) == recipe


def test_recipes_of_the_paper_are_there():
    published = {f"{name}-published" for name in ("audioset-strong", "audioset-strong-kd", "dcase2016-task2")}
    main = {"audioset-weak", "audioset-advanced-kd", "dcase2016-task2-probe", "synthetic-cpu"}
    assert published | main <= set(recipe_names())


def test_paper_s_steps_and_batches():
    for name, steps in (("audioset-strong-kd", 46_920), ("audioset-advanced-kd", 93_840)):
        recipe = load_recipe(name)
        batches = -(-recipe.data.epoch_items // recipe.batch.size)
        assert recipe.batch.effective == 256
        assert recipe.epochs * -(-batches * recipe.batch.size // recipe.batch.effective) == steps


@pytest.mark.parametrize(
    ("recipe", "spec", "rates"),
    [
        ("audioset-strong-kd", "fmn04", (6e-3, None)),
        ("audioset-strong-kd", "fmn10+hybrid-256", (3e-3, 8e-4)),
        ("audioset-strong-published", "fmn06+gru-160", (6e-3, 8e-4)),
        ("audioset-advanced-kd", "fmn10+tf-256", (3e-3, 3e-3)),
        ("audioset-strong", "fmn10+hybrid-64", (3e-3, None)),
        ("audioset-strong", "fmn15", (8e-4, None)),
        ("dcase2016-task2", "fmn10+tf-256", (1.06e-4, None)),
    ],
)
def test_learning_rates_are_those_of_the_card(recipe, spec, rates):
    optimizer = load_recipe(recipe, ModelSpec.parse(spec)).optimizer
    assert (optimizer.lr, optimizer.sequence_lr) == rates


def test_a_rate_that_is_asked_for_goes_before_the_card_s():
    optimizer = load_recipe("audioset-strong", ModelSpec.parse("fmn04"), ["optimizer.lr=1e-4"]).optimizer
    assert optimizer.lr == 1e-4


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.endswith("-published")])
def test_published_variant_differs_in_what_was_in_force_then(name):
    audioset = name.startswith("audioset")
    expected = {"description", "schedule.warmup_steps"} | ({"data.float32_times"} if audioset else set())
    expected |= {"augment.mixup.beta"} if "advanced" in name else set()
    main, published = load_recipe(name.removesuffix("-published")), load_recipe(name)
    assert differences(main.model_dump(), published.model_dump()) == expected
    assert published.schedule.warmup_steps == (20_000 if audioset else 4_000)
    if "advanced" in name:
        mixup = published.augment.mixup
        assert (mixup.alpha, mixup.beta) == (0.3, 0.2)


def differences(one, other, prefix=""):
    """Keys whose values differ."""
    found = set()
    for key in one.keys() | other.keys():
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found |= differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.add(prefix + key)
    return found


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A set in AudioSet's layout, one in HEAR's, and a checkpoint of the classes of the first."""
    folder = tmp_path_factory.mktemp("sets")
    synthesise(folder / "audioset", clips=4, eval_clips=1)
    synthesise(folder / "hear", clips=1, eval_clips=1, layout="hear", seconds=20)
    checkpoint = save_model(folder / "model.pt", strong_classes().names)
    return {"audioset": folder / "audioset", "hear": folder / "hear", "checkpoint": checkpoint}


@pytest.mark.parametrize("name", recipe_names())
def test_recipe_takes_its_steps_on_a_small_set(name, sets):
    recipe = load_recipe(name)
    overrides = [f"initialise={sets['checkpoint']}", "data.crop_seconds=2"]
    sources = {}
    if recipe.task != "strong" or recipe.distillation:
        overrides += ["data.train_split=train", "distillation=0"]
    if recipe.task == "advanced":
        overrides += [f"teacher.model={MODEL}", f"teacher.checkpoint={sets['checkpoint']}"]
        overrides.append("data.weak_split=train")
        sources["weak_data"] = sets["audioset"]
    data = sets["hear" if name.startswith("dcase") else "audioset"]
    found = estimate(planned(name, data, *overrides, **sources), CPU)
    assert found.epoch_items == {"hear": 10, "audioset": 20}[data.name]
    assert min(found.load_seconds, found.step_seconds, found.validation_seconds) > 0
    assert found.total_seconds > found.epochs * found.epoch_steps * found.step_seconds
    assert found.peak_bytes > 2**26


def test_every_problem_of_a_recipe_is_shown_with_where_it_is(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("extends: audioset-strong\nepochs: 0\noptimizer: {lr: -1, layerdecay: 0.9}\nsead: 3\n")
    with pytest.raises(EffbenchError) as caught:
        load_recipe(str(path))
    lines = str(caught.value).splitlines()
    assert "4 problems" in lines[0]
    assert any(line.startswith("optimizer.lr: -1") for line in lines)
    assert any("layerdecay: unknown key; did you mean 'layer_decay'?" in line for line in lines)
    assert any("sead: unknown key; did you mean 'seed'?" in line for line in lines)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["optimizer.lr"], "expected section.key=value"),
        (["batch.effective=100"], "not a multiple"),
        (["distillation=2"], "distillation"),
        (["task=advanced"], "needs a teacher"),
        (["frozen=true", "initialise=scratch"], "untrained backbone"),
        (["optimizer.weight_decay=0.1"], "adamw"),
        (["augment.mixup.rate=0.3", "augment.mixup.beta=0"], "augment.mixup.beta"),
    ],
)
def test_impossible_changes_are_refused(overrides, said):
    with pytest.raises(UsageError, match=said):
        load_recipe("audioset-strong", None, overrides)


def test_a_recipe_that_extends_itself_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text(f"extends: {tmp_path / 'b.yaml'}\n")
    (tmp_path / "b.yaml").write_text(f"extends: {tmp_path / 'a.yaml'}\n")
    with pytest.raises(EffbenchError, match="extends itself"):
        load_recipe(str(tmp_path / "a.yaml"))


def test_changes_are_what_differs_from_the_named_recipe_but_for_the_seed():
    spec = ModelSpec.parse("fmn04+gru-104")
    given = ["seed=7", "optimizer.lr=0.002", "epochs=3"]
    recipe = load_recipe("synthetic-cpu", spec, given)
    assert changes_of(recipe, "synthetic-cpu", spec) == ["epochs=3", "optimizer.lr=0.002"]
    again = ["seed=7", *changes_of(recipe, "synthetic-cpu", spec)]
    assert load_recipe("synthetic-cpu", spec, again) == recipe
    assert changes_of(load_recipe("synthetic-cpu", spec), "synthetic-cpu", spec) == []


def test_a_training_whose_recipe_is_gone_says_so(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: synthetic-cpu\nepochs: 2\n")
    plan = plan_training("fmn01", str(mine), tmp_path, changes=["batch.size=2"])
    assert plan.conditions["changes"] == "batch.size=2"
    mine.unlink()
    assert "can't be read any more" in plan.conditions["changes"]
