"""Models of a study: products are those of itertools, and what is wrong with one is said."""

from fnmatch import fnmatchcase
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effbench.config import check
from effbench.errors import EffbenchError
from effbench.study.definition import Study


def several(*choices):
    return st.lists(st.sampled_from(choices), min_size=1, max_size=4, unique=True)


def specs(*models):
    return [str(spec) for spec in check({"title": "x", "models": models, "tasks": {}}, Study, "x").specs()]


@settings(deadline=None)
@given(several("fmn01", "fmn04", "BEATs"), several("tf", "gru", "hybrid"), several(16, 32, 64))
def test_a_product_is_that_of_its_lists(backbones, sequences, dims):
    wanted = [f"{b}+{s}-{d}" for b, s, d in product(backbones, sequences, dims)]
    made = {"backbones": backbones, "sequences": sequences, "dims": dims}
    assert specs(made) == wanted
    assert specs(*backbones, made) == backbones + wanted
    if rest := [name for name in wanted if not fnmatchcase(name, f"*+{sequences[0]}-*")]:
        assert specs({**made, "without": [f"*+{sequences[0]}-*"]}) == rest


def test_a_product_stands_beside_names_and_globs_and_understands_aliases():
    models = ({"backbones": ["FMN10"], "sequences": ["bigru"], "dims": [256]}, "fmn10+gru-*")
    assert specs(*models)[0] == "fmn10+gru-256"
    assert specs(*models).count("fmn10+gru-256") == 1


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"backbone": ["fmn04"]}, "models.0.backbone: unknown key; did you mean 'backbones'"),
        ({"backbones": ["fmn04"], "sequences": ["tf"]}, "models.0: sequences and dims go together"),
        (
            {"backbones": ["fmn04"], "sequences": ["tff"], "dims": [64]},
            r"models.0: unknown model 'fmn04\+tff-64'; did you mean 'fmn04\+tf-64'",
        ),
        (
            {"backbones": ["fmn04"], "sequences": ["tf"], "dims": [65]},
            r"impossible dimension 65 .* try fmn04\+tf-64 or fmn04\+tf-68",
        ),
        ({"backbones": ["fmn*"]}, r"models.0: unknown model 'fmn\*'"),
        ({"backbones": ["fmn04"], "without": ["fmn06"]}, "'fmn06' is none of the product's models: fmn04"),
        ({"backbones": ["fmn04"], "without": ["*"]}, "without leaves no model"),
        (7, "models.0: a model is a name, a glob, or a product such as"),
    ],
)
def test_what_is_wrong_with_a_product_is_said(made, told):
    with pytest.raises(EffbenchError, match=told):
        specs(made)
