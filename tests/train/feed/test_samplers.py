"""How epochs are cut into batches: every item once, alike on every rank, the same again when resumed."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from effbench.errors import UsageError
from effbench.train.feed.samplers import Draw, EpochBatches

SIZES = st.integers(1, 200)
WORLDS = st.integers(1, 5)
BATCHES = st.integers(1, 17)


def epoch_of(n, batch_size, world, *, epoch=0, start=0, **options):
    """Batches of every rank."""
    ranks = [
        EpochBatches(n, batch_size=batch_size, seed=7, rank=rank, world=world, **options)
        for rank in range(world)
    ]
    for rank in ranks:
        rank.set_epoch(epoch)
        rank.start = start
    return [list(rank) for rank in ranks]


@settings(max_examples=60, deadline=None)
@given(SIZES, BATCHES, WORLDS)
def test_every_item_once_in_equally_many_batches_that_are_not_empty(n, batch_size, world):
    n = max(n, world)
    ranks = epoch_of(n, batch_size, world)
    assert sorted(draw.index for rank in ranks for batch in rank for draw in batch) == list(range(n))
    assert len({len(rank) for rank in ranks}) == 1
    sizes = [len(batch) for rank in ranks for batch in rank]
    assert min(sizes) >= 1
    assert max(sizes) <= max(batch_size, 2)
    together = [sum(map(len, batches)) for batches in zip(*ranks, strict=True)]
    assert max(together) - min(together) <= 1
    if batch_size > 1 or n % world == 0:
        assert max(sizes) <= batch_size
        assert len(ranks[0]) == -(-n // (batch_size * world))


@settings(max_examples=60, deadline=None)
@given(SIZES, BATCHES, WORLDS, st.integers(0, 3), st.data())
def test_a_resumed_epoch_is_the_rest_of_the_whole(n, batch_size, world, epoch, data):
    n = max(n, world)
    whole = epoch_of(n, batch_size, world, epoch=epoch)
    start = data.draw(st.integers(0, len(whole[0])))
    assert epoch_of(n, batch_size, world, epoch=epoch, start=start) == [rank[start:] for rank in whole]


def test_start_is_of_one_epoch_only_and_not_in_the_length():
    batches = EpochBatches(100, batch_size=10, seed=0)
    batches.start = 4
    assert len(batches) == 10
    # A loader with processes asks for an iterator twice before it takes a batch.
    iter(batches)
    assert len(list(batches)) == 6
    batches.set_epoch(1)
    assert len(list(batches)) == 10


@settings(max_examples=60, deadline=None)
@given(SIZES, BATCHES, WORLDS, st.booleans())
def test_draws_do_not_depend_on_the_number_of_processes(n, batch_size, world, weighted):
    n = max(n, world)
    weights = np.arange(n) + 1 if weighted else None
    ranks = epoch_of(n, batch_size, world, weights=weights)
    spread = [draw for batches in zip(*ranks, strict=True) for batch in batches for draw in batch]
    alone = [draw for batch in epoch_of(n, batch_size, 1, weights=weights)[0] for draw in batch]
    assert spread == alone
    assert len({draw.seed for draw in alone}) == n
    assert all(0 <= draw.seed < 2**63 for draw in alone)


def flat(**options):
    n = options.pop("n", 50)
    epoch = options.pop("epoch", 0)
    batches = EpochBatches(n, batch_size=8, **{"seed": 0, **options})
    batches.set_epoch(epoch)
    return [draw for batch in batches for draw in batch]


def test_epochs_and_seeds_differ_and_repeat():
    assert flat() == flat()
    for other in (flat(epoch=1), flat(seed=1)):
        assert [d.index for d in other] != [d.index for d in flat()]
        assert {d.seed for d in other}.isdisjoint(d.seed for d in flat())


def test_a_seed_depends_on_the_position_not_on_the_length_of_the_epoch():
    short, long = flat(epoch_items=20), flat(epoch_items=120)
    assert [d.seed for d in short] == [d.seed for d in long][:20]
    assert [d.index for d in short] == [d.index for d in flat()][:20]


def test_longer_epochs_hold_every_item_about_equally_often():
    indices = [d.index for d in flat(epoch_items=120)]
    for block in (indices[:50], indices[50:100]):
        assert sorted(block) == list(range(50))
    assert len(set(indices[100:])) == 20
    assert indices[:50] != indices[50:100]


def test_without_shuffling_items_come_in_order():
    assert [d.index for d in flat(shuffle=False, epoch_items=60)] == [*range(50), *range(10)]


def test_weighted_draws_follow_their_weights_even_when_an_epoch_is_as_long_as_the_data():
    weights = np.array([0.0, 1, 1, 8, 0])
    counts = Counter(d.index for d in flat(n=5, weights=weights, epoch_items=10_000))
    assert set(counts) == {1, 2, 3}
    assert counts[3] / 10_000 == pytest.approx(0.8, abs=0.02)
    assert counts[1] / 10_000 == pytest.approx(0.1, abs=0.02)
    assert {d.index for d in flat(n=5, weights=[0, 0, 1, 0, 0])} == {2}


@pytest.mark.parametrize(
    "options",
    [
        {"n_items": 3, "world": 4},
        {"n_items": 0},
        {"n_items": 9, "epoch_items": 1, "world": 2},
        {"n_items": 2, "weights": [1.0]},
        {"n_items": 2, "weights": [1.0, -1.0]},
        {"n_items": 2, "weights": [0.0, 0.0]},
        {"n_items": 2, "weights": [1.0, float("nan")]},
    ],
)
def test_impossible_requests_are_refused(options):
    with pytest.raises((UsageError, ValueError), match=r"too few|as many weights"):
        EpochBatches(batch_size=2, seed=0, **options)


class Echo(Dataset):
    def __getitem__(self, draw):
        return draw.index, draw.seed

    def __len__(self):
        return 30


@pytest.mark.parametrize("workers", [0, 2])
def test_drives_a_loader(workers):
    batches = EpochBatches(30, batch_size=8, seed=3)
    loader = DataLoader(Echo(), batch_sampler=batches, num_workers=workers)
    assert len(loader) == 4
    loaded = [
        Draw(index, seed)
        for indices, seeds in loader
        for index, seed in zip(indices.tolist(), seeds.tolist(), strict=True)
    ]
    assert loaded == [draw for batch in batches for draw in batch]
