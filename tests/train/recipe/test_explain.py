"""What ``effbench train --explain`` says of the keys of recipes, and the page that has all of it."""

import json
from pathlib import Path

import pytest

from effbench.train.recipe.explain import recipe_keys
from effbench.train.recipe.library import load_recipe, recipe_names

PAGE = Path(__file__).parents[3] / "docs" / "recipes.md"


def dotted(content, prefix=""):
    for name, value in content.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from dotted(value, f"{prefix}{name}.")


def test_every_key_has_a_meaning_and_no_other_is_explained():
    keys = recipe_keys()
    assert {name for recipe in recipe_names() for name in dotted(load_recipe(recipe).model_dump())} <= set(
        keys
    )
    for key in keys.values():
        assert key.meaning, key.name
        assert key.allowed, key.name


def test_the_page_of_recipes_has_what_the_command_says(effbench):
    done = effbench("train", "--explain", "all", "--format", "markdown")
    assert done.returncode == 0
    assert done.stdout.strip() in PAGE.read_text(encoding="utf-8")


def test_a_key_is_explained_with_its_values_in_recipes(effbench):
    (key,) = json.loads(effbench("train", "--explain", "optimizer.layer_decay", "--format", "json").stdout)
    assert key["allowed"] == "number > 0, ≤ 1"
    assert key["default"] == "1.0"
    assert key["recipes"]["audioset-strong-published"] == 0.9
    assert key["recipes"]["synthetic-cpu"] == 1.0
    shown = effbench("train", "--explain", "validation.protocol").stdout
    assert "the path of a YAML file from the recipe's folder" in shown
    assert "audioset-strong-kd" in shown


def test_a_section_is_explained_key_by_key(effbench):
    rows = json.loads(effbench("train", "--explain", "augment.mixup", "--format", "json").stdout)
    names = [row["key"].removeprefix("augment.mixup") for row in rows]
    assert names == ["", ".rate", ".alpha", ".beta"]


@pytest.mark.parametrize("name", ["optimzer.lr", "lr", "optimizer.rl"])
def test_an_unknown_key_gets_the_nearest(effbench, name):
    done = effbench("train", "--explain", name)
    assert done.returncode == 2
    assert f"unknown key '{name}'; did you mean 'optimizer.lr'?" in done.stderr
