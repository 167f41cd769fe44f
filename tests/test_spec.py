"""Model specs: one canonical form, many ways to write it, and helpful refusals."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effbench.errors import UnknownModel
from effbench.spec import ALIASES, BACKBONES, SEQUENCES, ModelSpec, row_name

backbones = st.sampled_from([*BACKBONES, "fmn15", "fmn01"])
specs = st.builds(ModelSpec, backbones) | st.builds(
    ModelSpec, backbones, st.sampled_from(SEQUENCES), st.integers(1, 4096)
)


@given(specs)
def test_formatting_and_parsing_are_inverse(spec):
    assert ModelSpec.parse(str(spec)) == spec


@given(specs, st.sampled_from([str.upper, str.lower, str.title]), st.booleans(), st.booleans())
def test_case_colons_and_aliases_do_not_matter(spec, case, colon, alias):
    text = str(spec)
    if alias and spec.sequence in ALIASES.values():
        other = next(name for name, sequence in ALIASES.items() if sequence == spec.sequence)
        text = f"{spec.backbone}+{other}-{spec.dim}"
    text = text.replace("-", ":") if colon else text
    assert ModelSpec.parse(f" {case(text)} ") == spec


@given(st.text(max_size=30))
def test_any_text_is_a_spec_or_refused(text):
    with suppress(UnknownModel):
        spec = ModelSpec.parse(text)
        assert ModelSpec.parse(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("fmn10+hybrd-512", "fmn10+hybrid-512"),
        ("fmn1O", "fmn10"),
        ("fmn10+tf256", "fmn10+tf-256"),
        ("fmn10+transfomer:64", "fmn10+tf-64"),
        ("beat+gru-256", "BEATs+gru-256"),
        ("fmn10+bigruu-512", "fmn10+gru-512"),
    ],
)
def test_unknown_model_suggests_the_nearest(text, suggestion):
    with pytest.raises(UnknownModel, match="did you mean") as caught:
        ModelSpec.parse(text)
    assert f"'{suggestion}'?" in str(caught.value)


@pytest.mark.parametrize("text", ["fmn10+tf-0", "fmn10+tf-99999999"])
def test_impossible_dimension_is_refused(text):
    with pytest.raises(UnknownModel, match="impossible dimension"):
        ModelSpec.parse(text)


def test_width_is_read_from_the_name():
    assert ModelSpec.parse("fmn04").width_multiplier == 0.4
    assert ModelSpec.parse("fmn30").family == "fmn"
    with pytest.raises(ValueError, match="BEATs"):
        _ = ModelSpec.parse("BEATs").width_multiplier


@pytest.mark.parametrize(
    "name",
    ["mynet", "./net.py:build?width=2", "convnext_tiny", "AST", "beats-v2", "mynet+gru-256"],
)
def test_rows_call_models_by_their_spec_or_a_name_of_ones_own(name):
    assert row_name(name) == name
    assert row_name(" FMN10+transformer:64") == row_name(ModelSpec("fmn10", "tf", 64)) == "fmn10+tf-64"


@pytest.mark.parametrize(
    "name", ["fmn1O", "fmn10+hybrd-512", "fmn10_gru-256", "fmn10 + gru", "fmn100", "BEAT", "fmn10+tf-0"]
)
def test_a_misspelt_spec_is_no_name_of_ones_own(name):
    with pytest.raises(UnknownModel, match=r"did you mean|impossible dimension"):
        row_name(name)


@pytest.mark.parametrize("name", ["", " mynet", "my\nnet", "x" * 121])
def test_what_is_no_line_of_text_names_no_model(name):
    with pytest.raises(UnknownModel, match="can't name a model"):
        row_name(name)
