"""A table of one's own classes, where the recipe trains those of AudioSet."""

import numpy as np
import pytest
import soundfile

from effbench.data.synth import synthesise
from effbench.errors import DataError, EffbenchWarning, UsageError
from effbench.train.feed.training_data import open_data
from tests.train.small import planned


@pytest.fixture
def own(tmp_path):
    """Writes a set of two clips with these labels, for both splits."""

    def write(*labels):
        for clip in ("a", "b"):
            soundfile.write(tmp_path / f"{clip}.wav", np.zeros(16_000), 16_000)
        for split, clip in (("train", "a"), ("eval", "b")):
            rows = [f"{clip}.wav,0,0.5,{label}\n" for label in labels]
            (tmp_path / f"{split}.csv").write_text("filename,onset,offset,event_label\n" + "".join(rows))
        return tmp_path

    return write


def test_classes_that_audioset_does_not_have_need_a_model_of_their_own(own):
    data = own("doorbell")
    with pytest.raises(DataError, match=r"of a class that the model has[\s\S]*data\.classes=data$"):
        open_data(planned("audioset-strong", data))
    assert open_data(planned("audioset-strong", data, "data.classes=data")).classes == ("doorbell",)


def test_events_that_are_left_out_are_noted(own):
    with pytest.warns(EffbenchWarning, match=r"left out: doorbell\. .*data\.classes=data"):
        open_data(planned("audioset-strong", own("doorbell", "Bell")))


def test_what_can_not_be_validated_is_said_before_anything_is_trained(own, tmp_path):
    place = synthesise(tmp_path / "set", clips=1, eval_clips=3)
    own_classes = "data.classes=data"
    open_data(planned("synthetic-cpu", place, own_classes))
    onsets = ("validation.protocol=dcase2016", "validation.metric=onset_f1")
    with pytest.raises(DataError, match=r"which no training clip has, and the protocol 'dcase2016' leaves"):
        open_data(planned("synthetic-cpu", place, own_classes, *onsets))
    place = own("doorbell")
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "title: x\nscored_only: true\nthreshold: {Doorbell: 0.3, default: 0.5}\nmetrics: {psds1: {}}\n"
    )
    with pytest.raises(UsageError, match=r"a threshold for 'Doorbell', .* did you mean 'doorbell'"):
        open_data(planned("synthetic-cpu", place, own_classes, f"validation.protocol={mine}"))


def test_a_split_of_another_name_is_told_its_key(own):
    with pytest.raises(UsageError, match=r"no split 'test'[\s\S]*data\.validation_split=NAME"):
        open_data(planned("audioset-strong", own("Bell"), "data.validation_split=test"))
