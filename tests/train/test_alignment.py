"""Features, labels and pseudo labels of one event stay at one time through all augmentations."""

import pytest
import torch
from torch.nn.functional import interpolate

from effbench.train.augment.pipeline import augment
from effbench.train.augment.views import Views
from effbench.train.recipe.recipe import AugmentOptions

BATCH, FRAMES, TEACHER_FRAMES, WIDTH = 8, 250, 998, 5
QUIET, LOUD = -2.0, 4.0


def one_event_each():
    """Clip i has class i alone, in five frames, as a burst over all mels."""
    labels = torch.zeros(BATCH, BATCH, FRAMES)
    student, teacher = (
        torch.full((BATCH, 1, 128, 4 * FRAMES), QUIET),
        torch.full((BATCH, 1, 64, TEACHER_FRAMES), QUIET),
    )
    for clip in range(BATCH):
        first = 20 + 27 * clip
        labels[clip, clip, first : first + WIDTH] = 1
        student[clip, ..., 4 * first : 4 * (first + WIDTH)] = LOUD
        scale = TEACHER_FRAMES / FRAMES
        teacher[clip, ..., round(first * scale) : round((first + WIDTH) * scale)] = LOUD
    return Views((student, teacher), labels, labels * 0.9, (5.0, 5.0))


def loudness(features):
    """Mean level of each label frame above the clip's lowest, (batch, frames)."""
    profile = interpolate(features.mean((1, 2))[:, None], FRAMES, mode="area")[:, 0]
    return profile - profile.amin(1, keepdim=True)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("mixup", [None, {"rate": 1.0, "alpha": 2.0}])
def test_an_event_is_where_its_labels_are(seed, mixup):
    always = {"rate": 1.0}
    options = AugmentOptions(
        frame_shift=0.125,
        mixup=mixup,
        mixstyle=always,
        time_mask=0.4,
        filter_augment=always,
        frequency_warp=always,
    )
    out = augment(one_event_each(), options, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(out.pseudo, out.labels * 0.9)
    labelled = out.labels.sum(1)
    # Shifts are finer in the features than in the labels: a frame at a border may be loud in part.
    inside = (labelled == labelled.roll(1, 1)) & (labelled == labelled.roll(-1, 1))
    for features in out.features:
        loud = loudness(features) * inside
        for clip in range(BATCH):
            expected = labelled[clip] * inside[clip]
            if expected.any():  # otherwise the mask has hidden all of it
                torch.testing.assert_close(
                    loud[clip] / loud[clip].max(), expected / expected.max(), atol=0.01, rtol=0
                )


def test_shares_of_mixed_events_are_those_of_their_loudness():
    batch = one_event_each()
    options = AugmentOptions(mixup={"rate": 1.0, "alpha": 2.0})
    out = augment(batch, options, torch.Generator().manual_seed(0))
    for features in out.features:
        share = (features[:, 0, 0] - QUIET) / (LOUD - QUIET)
        for clip in range(BATCH):
            loud, labelled = share[clip].unique(), out.labels[clip].unique()
            torch.testing.assert_close(loud, labelled, atol=1e-5, rtol=0)
