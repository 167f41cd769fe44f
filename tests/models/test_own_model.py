"""What a reference to a model of one's own means: names, options, places; without running its code."""

import pytest

from effbench.errors import UsageError
from effbench.models.own_model import OwnModel, find_model, own_model
from effbench.spec import ModelSpec, row_name


def test_a_spec_comes_before_a_reference():
    assert find_model("fmn10+gru:256") == ModelSpec("fmn10", "gru", 256)
    assert find_model("ATST:F") == ModelSpec("ATST-F")


def test_a_reference_gives_itself_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = find_model("mine=./my net.py:parts.Net?width=2&title=a%26b&input=1,77:int64&input=1")
    assert isinstance(found, OwnModel)
    assert (str(found), found.place, found.factory) == ("mine", str(tmp_path / "my net.py"), "parts.Net")
    assert found.options == (("width", "2"), ("title", "a&b"))
    assert found.inputs == ("1,77:int64", "1")
    monkeypatch.chdir("/")
    assert find_model(found.reference) == found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("./net.py:Net", "net.Net"),
        ("../a/net.py:Net?width=2&rate=0.5", "net.Net-width2-rate0.5"),
        ("mypackage.models:Net", "models.Net"),
        ("ast=transformers:ASTModel", "ast"),
    ],
)
def test_names_can_be_read(text, name):
    assert str(find_model(text)) == name
    assert row_name(name) == name


@pytest.mark.parametrize(
    "name", ["fmn10", "beats", "fmn10+tf-256", "fmn10+tf-25x", "fmn100", "a b", "a/b", "-a", "a=b"]
)
def test_no_name_can_pass_for_a_spec(name):
    with pytest.raises(UsageError, match=r"choose another name|can't be the name|did you mean"):
        own_model("./net.py:Net", name=name)


def test_options_and_a_name_are_put_to_a_reference():
    text = own_model("./net.py:Net?width=2", name="mine", options=("depth=3",), inputs=("1,8",))
    found = find_model(text)
    assert (str(found), dict(found.options), found.inputs) == ("mine", {"width": "2", "depth": "3"}, ("1,8",))
    assert str(find_model(own_model("./net.py:Net", options=("depth=3",)))) == "net.Net-depth3"
    assert str(find_model(own_model("mine=./net.py:Net", options=("depth=3",)))) == "mine"
    assert own_model("fmn10") == "fmn10"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fmn10+gruu:256", "did you mean 'fmn10\\+gru-256'"),
        ("./net.py", "a model of your own is './file.py:factory'"),
        ("./net.py:Net?width", "'width' is not an option"),
        ("./net.py:Net?a=1&a=2", "has its option a twice"),
        ("a b=./net.py:Net", "can't be the name"),
    ],
)
def test_what_is_no_reference_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        find_model(text)


def test_a_spec_takes_no_options():
    with pytest.raises(UsageError, match="'fmn10' is a spec"):
        own_model("fmn10", name="mine")


def test_the_file_of_a_module_is_found_and_nothing_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pkg_of_mine").mkdir()
    (tmp_path / "pkg_of_mine" / "__init__.py").write_text("raise SystemExit")
    net = tmp_path / "pkg_of_mine" / "net.py"
    net.write_text("raise SystemExit")
    found = find_model("pkg_of_mine.net:Net?width=2")
    assert found.file == net
    before = found.code
    assert before.startswith("pkg_of_mine.net:Net?width=2 (sha256 ")
    net.write_text("another")
    assert found.code != before
    for place in ("pkg_of_mine.none", "no_such_package", "sys"):
        with pytest.raises(UsageError, match="no module"):
            _ = find_model(f"{place}:Net").file
