"""Files that people write: found by name or path, and everything that is wrong with one is said at once."""

from pathlib import Path

import pytest
from pydantic import Field

from effbench.config import Strict, check, load
from effbench.errors import AudioError, EffbenchError, UsageError
from effbench.yaml_files import find, parse, read, shipped


class Wheel(Strict):
    spokes: int = Field(gt=2)
    colour: str = "black"


class Cart(Strict):
    name: str
    wheels: tuple[Wheel, ...] = ()
    spare: Wheel | None = None
    load: dict[str, float] = Field(default_factory=dict)


GOOD = "name: barrow\nwheels: [{spokes: 12}]\nload: {hay: 3e-3, straw: 1E+2, turf: -2e1}\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def said(path: Path) -> list[str]:
    with pytest.raises(EffbenchError) as caught:
        load(path, Cart, "cart")
    first, *rest = str(caught.value).splitlines()
    assert first == f"cart {path} has {len(rest)} problem{'s' * (len(rest) != 1)}"
    return rest


def test_numbers_need_no_point(tmp_path):
    cart = load(written(tmp_path, GOOD), Cart, "cart")
    assert cart.load == {"hay": 0.003, "straw": 100.0, "turf": -20.0}
    assert parse("3e-3") == 0.003
    assert parse("e3") == "e3"
    assert parse("1e") == "1e"
    assert parse("") is None


def test_all_problems_are_told_together_with_their_place_and_value(tmp_path):
    text = "wheels: [{spokes: 12}, {spokes: 2, color: red}]\nspare: {spoks: 9}\nload: {hay: much}\nnam: x\n"
    assert sorted(said(written(tmp_path, text))) == [
        "load.hay: 'much': input should be a valid number, unable to parse string as a number",
        "nam: unknown key; did you mean 'name'?",
        "name: is missing",
        "spare.spokes: is missing",
        "spare.spoks: unknown key; did you mean 'spokes'?",
        "wheels.1.color: unknown key; did you mean 'colour'?",
        "wheels.1.spokes: 2: input should be greater than 2",
    ]


def test_a_key_of_another_section_is_not_suggested(tmp_path):
    assert said(written(tmp_path, "name: x\nspare: {spokes: 9, wheels: []}\n")) == [
        "spare.wheels: unknown key"
    ]


def test_repeated_keys_are_refused_wherever_they_are(tmp_path):
    text = "name: x\nwheels:\n  - {spokes: 3, spokes: 4}\n  - spokes: 5\nname: y\n"
    with pytest.raises(EffbenchError) as caught:
        load(written(tmp_path, text), Cart, "cart")
    first, *rest = str(caught.value).splitlines()
    assert first.endswith("mine.yaml can't be read: it repeats keys")
    assert rest == ["wheels.0.spokes: again in line 3", "name: again in line 5"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name: [", r"x.yaml can't be read: .* in line 2$"),
        (b"\0", "can't be read: "),
        (b"\xff", "can't be read: .*can't decode"),
        (b"", "is not a mapping"),
        (b"- 1", "is not a mapping"),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path, content, reason):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(EffbenchError, match=reason):
        read(path, "cart")


def test_a_file_that_can_not_be_read_is_told_in_words(tmp_path):
    with pytest.raises(EffbenchError, match="can't be read: Is a directory"):
        read(tmp_path, "cart")
    with pytest.raises(UsageError, match=r"cart none\.yaml can't be read: No such file"):
        read(Path("none.yaml"), "cart", UsageError)


def test_a_mapping_of_objects_is_checked_like_an_object():
    with pytest.raises(
        AudioError, match=r"wheels has 1 problem\nleft.colr: unknown key; did you mean 'colour'"
    ):
        check({"left": {"spokes": 3, "colr": "red"}}, dict[str, Wheel], "wheels", AudioError)


def test_shipped_names_go_before_paths_and_the_nearest_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, GOOD)
    assert find("paper-1", "plots", "figure").is_file()
    assert find("mine.yaml", "plots", "figure") == Path("mine.yaml")
    assert find("none.yaml", "plots", "figure") == Path("none.yaml")
    for name in ("papr-1", "mine"):
        with pytest.raises(
            UsageError, match=rf"unknown figure '{name}'.*\nKnown: .*paper-1, paper-2"
        ) as caught:
            find(name, "plots", "figure")
        assert ("did you mean 'paper-1'?" in str(caught.value)) == (name == "papr-1")


@pytest.mark.parametrize("folder", ["plots", "train", "models"])
def test_only_yaml_files_count(folder):
    assert shipped(folder)
    assert "README" not in shipped(folder)
