"""Recommendations: against brute force on random tables, and in words."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effbench.plots.values import MissingResults, Value
from effbench.reports.choosing import choose
from effbench.reports.known_values import Known, KnownValues
from effbench.reports.limits import Limit, broken, nearest_miss, relaxations
from effbench.reports.tradeoffs import front_of

QUANTITIES = ("psds1", "macs_exact", "parameters", "throughput", "latency_p99")
value = st.sampled_from([None, -math.inf, 1.0, 2.0, 3.0, math.inf])
tables = st.dictionaries(st.sampled_from("abcdefgh"), st.fixed_dictionaries(dict.fromkeys(QUANTITIES, value)))
limits = st.lists(
    st.builds(Limit, st.sampled_from(QUANTITIES), st.sampled_from([1.0, 2.0, 3.0])), max_size=4, unique=True
)


def metrics_of(table):
    def known(name):
        return {m: Known(Value(v[name]), "measured") for m, v in table.items() if v[name] is not None}

    return {name: KnownValues(name, known(name)) for name in QUANTITIES}


def keeps(values, limit):
    found = values[limit.quantity]
    if found is None:
        return False
    return found >= limit.bound if limit.quantity in ("psds1", "throughput") else found <= limit.bound


@given(tables, limits)
def test_ranked_are_exactly_the_models_that_keep_every_limit_best_first(table, asked):
    found = choose(list(table), metrics_of(table), asked, "psds1")
    scored = {model: values for model, values in table.items() if values["psds1"] is not None}
    within = {model for model, values in scored.items() if all(keeps(values, limit) for limit in asked)}
    assert set(found.ranked) == within
    scores = [table[model]["psds1"] for model in found.ranked]
    assert scores == sorted(scores, reverse=True)
    if within:
        best = max(scores)
        macs = {m: math.inf if (x := table[m]["macs_exact"]) is None else x for m in within}
        assert macs[found.best] == min(macs[m] for m in within if table[m]["psds1"] == best)
    assert set(found.unscored) == {
        m
        for m, v in table.items()
        if v["psds1"] is None and all(keeps(v, limit) for limit in asked if limit.quantity != "psds1")
    }


@given(tables, limits)
def test_ways_out_are_the_smallest_sets_of_limits_that_stand_in_the_way(table, asked):
    found = choose(list(table), metrics_of(table), asked, "psds1")
    bar = -math.inf if found.best is None else table[found.best]["psds1"]
    scored = {m: v for m, v in table.items() if v["psds1"] is not None}
    known = {m: v for m, v in scored.items() if all(v[limit.quantity] is not None for limit in asked)}
    better = {m: v for m, v in known.items() if not found.best or v["psds1"] > bar}

    def allowed(dropped):
        kept = [limit for limit in asked if limit not in dropped]
        return {model for model, values in better.items() if all(keeps(values, limit) for limit in kept)}

    every = [frozenset(s) for size in range(len(asked) + 1) for s in itertools.combinations(asked, size)]
    smallest = {s for s in every if allowed(s) and not any(other < s and allowed(other) for other in every)}
    assert set(found.ways_out) == smallest
    for dropped, models in found.ways_out.items():
        assert set(models) == allowed(dropped)


@given(tables)
def test_worthwhile_are_the_models_that_none_equals_in_all_and_betters_in_one(table):
    found = choose(list(table), metrics_of(table), [], "psds1")

    def gains(model):
        known = {name: value for name, value in table[model].items() if value is not None}
        signs = [1 if name in ("psds1", "throughput") else -1 for name in QUANTITIES]
        return [s * known[n] if n in known else -math.inf for s, n in zip(signs, QUANTITIES, strict=True)]

    def beats(one, other):
        return all(a >= b for a, b in zip(one, other, strict=True)) and one != other

    assert set(found.worthwhile) == {
        m for m in found.ranked if not any(beats(gains(o), gains(m)) for o in found.ranked)
    }


@given(tables, st.sampled_from([("psds1", "macs_exact"), ("throughput", "parameters", "psds1"), QUANTITIES]))
def test_the_front_of_models_is_that_of_those_with_all_values(table, names):
    metrics = {name: metrics_of(table)[name] for name in names}
    known = {m: v for m, v in table.items() if all(v[name] is not None for name in names)}
    if not known:
        with pytest.raises(MissingResults):
            front_of(list(table), metrics, {}, draws=1)
        return

    def beats(one, other):
        pairs = [(one[n], other[n]) if n in ("psds1", "throughput") else (-one[n], -other[n]) for n in names]
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    finite = dict.fromkeys(names, 1.0)
    found = front_of(list(table), metrics, finite, draws=1)
    assert set(found.front) == {m for m in known if not any(beats(o, known[m]) for o in known.values())}
    assert set(found.missing) == set(table) - set(known)
    assert found.probability == {m: float(m in found.front) for m in known}
    for model, by in found.beaten_by.items():
        assert by in found.front
        assert beats(known[by], known[model])


@given(tables, limits)
def test_the_nearest_miss_has_the_smallest_worst_excess(table, asked):
    if not table:
        return
    found = nearest_miss(list(table), table, asked)

    def worst(model):
        values = [(limit, table[model][limit.quantity]) for limit in asked]
        return max((math.inf if v is None else limit.excess(v) for limit, v in values), default=1.0)

    assert worst(found) == min(map(worst, table))


def test_a_value_that_is_no_number_keeps_no_limit():
    limit = Limit("parameters", 5.0)
    assert broken({"parameters": math.nan}, [limit]) == broken({}, [limit]) == {limit}
    assert relaxations({}) == {}
