import io
import subprocess
import sys
import warnings

import numpy as np
import pytest
import soundfile
import soxr

from effbench.data.audio import audio_info, read_audio, stream_audio
from effbench.errors import AudioError, EffbenchWarning
from effbench.grid import SAMPLE_RATE


def noise(seconds, rate=SAMPLE_RATE, channels=1, seed=0):
    samples = np.random.default_rng(seed).standard_normal((round(seconds * rate), channels)) * 0.1
    return samples.astype(np.float32)


def encoded(samples, rate=SAMPLE_RATE, form="WAV", subtype=None):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("rate", [16_000, 32_000, 44_100])
def test_formats_decode_to_16_khz_mono_of_the_right_length(form, rate):
    samples = read_audio(encoded(noise(2.0, rate, 2), rate, form))
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert abs(len(samples) - 32_000) <= 1


def test_samples_are_those_of_one_shot_resampling_of_the_channel_average():
    stereo = noise(3.0, 44_100, 2)
    expected = soxr.resample(stereo.mean(axis=1), 44_100, SAMPLE_RATE, quality="HQ")
    np.testing.assert_array_equal(read_audio(encoded(stereo, 44_100, "WAV", "FLOAT")), expected)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 192_000])
@pytest.mark.parametrize("block_seconds", [0.0317, 1.0, 100.0])
def test_blocks_join_to_exactly_the_whole(rate, block_seconds):
    data = encoded(noise(4.321, rate), rate)
    blocks = list(stream_audio(data, block_seconds=block_seconds))
    size = round(block_seconds * SAMPLE_RATE)
    assert {len(block) for block in blocks[:-1]} <= {size}
    assert 0 < len(blocks[-1]) <= size
    np.testing.assert_array_equal(np.concatenate(blocks), read_audio(data))


@pytest.mark.parametrize(
    ("form", "subtype", "tolerance"),
    [("WAV", "PCM_U8", 1 / 127), ("WAV", "PCM_24", 2e-7), ("FLAC", "PCM_S8", 1 / 127), ("WAV", "DOUBLE", 0)],
)
def test_sample_widths(form, subtype, tolerance):
    samples = noise(0.5)
    np.testing.assert_allclose(
        read_audio(encoded(samples, form=form, subtype=subtype)), samples[:, 0], rtol=0, atol=tolerance
    )


def test_six_channels_are_averaged():
    six = noise(0.5, channels=6)
    samples = read_audio(encoded(six, subtype="FLOAT"))
    np.testing.assert_array_equal(samples, six.mean(axis=1))


@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_a_tone_keeps_its_pitch_and_level_at_any_rate(rate):
    time = np.arange(rate * 2) / rate
    samples = read_audio(encoded(0.5 * np.sin(2 * np.pi * 1000 * time), rate, subtype="FLOAT"))
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(len(samples)) / SAMPLE_RATE)
    np.testing.assert_allclose(samples[1000:-1000], expected[1000:-1000], atol=2e-4)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 192_000])
@pytest.mark.parametrize("count", [1, 2, 11])
def test_a_file_of_one_sample_gives_at_least_one(rate, count):
    samples = read_audio(encoded(np.full(count, 0.25), rate))
    assert abs(len(samples) - max(1, count * SAMPLE_RATE / rate)) < 1
    assert np.isfinite(samples).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_numbers_are_refused_with_the_file_and_the_time(tmp_path, value):
    samples = noise(20)
    samples[-5] = value
    soundfile.write(tmp_path / "bad.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"bad\.wav: samples that are not finite.* after 16\.4 s") as raised:
        read_audio(tmp_path / "bad.wav")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"<html>not found</html>" * 100, "no audio that can be decoded"),
        (encoded(np.zeros(0)), "holds no samples"),
        (encoded(noise(1))[:20], "no audio that can be decoded"),
        (encoded(noise(1))[:44], "holds no samples"),
        (encoded(noise(1), rate=100), "a sample rate of 100 Hz is not supported"),
    ],
)
def test_what_is_not_audio_is_refused_in_one_line_naming_the_file(tmp_path, content, message):
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError) as raised:
        read_audio(path)
    assert str(raised.value).startswith(f"{path}: {message}")
    assert "\n" not in str(raised.value)
    with pytest.raises(AudioError, match=r"^Yabc: "):
        read_audio(content, name="Yabc")


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(AudioError, match=r"none\.wav: No such file"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(AudioError, match="Is a directory"):
        read_audio(tmp_path)


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_truncated_file_is_decoded_up_to_the_cut_and_said_to_be(form):
    data = encoded(noise(10), form=form)
    whole, told = read_audio(data), []
    samples = read_audio(data[: len(data) // 2], name="cut", on_damage=told.append)
    assert 0.45 < len(samples) / len(whole) < 0.55
    if form != "OGG":  # an OGG stream does not know its length
        assert len(told) == 1
        assert told[0].startswith("cut: damaged after ")
        with pytest.warns(EffbenchWarning, match="cut: damaged after"):
            read_audio(data[: len(data) // 2], name="cut")
    if form in ("WAV", "FLAC"):
        np.testing.assert_array_equal(samples, whole[: len(samples)])


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
def test_whole_files_are_not_called_damaged(form):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seconds in (0.2, 3.0, 10.0):
            read_audio(encoded(noise(seconds, 44_100), 44_100, form))


def test_paths_bytes_files_and_pipes_give_the_same_samples(tmp_path):
    path = tmp_path / "clip.flac"
    path.write_bytes(encoded(noise(2, 44_100, 2), 44_100, "FLAC"))
    expected = read_audio(path)
    np.testing.assert_array_equal(read_audio(str(path)), expected)
    np.testing.assert_array_equal(read_audio(path.read_bytes()), expected)
    np.testing.assert_array_equal(read_audio(io.BytesIO(path.read_bytes())), expected)
    with path.open("rb") as file:
        file.read(100)
        np.testing.assert_array_equal(read_audio(file), expected)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as process:
        np.testing.assert_array_equal(read_audio(process.stdout), expected)


def test_the_suffix_does_not_choose_the_format(tmp_path):
    for suffix in (".raw", ".mp3", ".gsm", ""):
        path = tmp_path / f"clip{suffix}"
        path.write_bytes(encoded(noise(0.5)))
        assert len(read_audio(path)) == 8_000


def test_only_the_first_seconds_on_demand():
    data = encoded(noise(20, 44_100), 44_100)
    np.testing.assert_array_equal(read_audio(data, seconds=1.5), read_audio(data)[:24_000])


def test_info(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(noise(2.5, 44_100, 2), 44_100, subtype="PCM_24"))
    info = audio_info(path)
    assert (info.duration, info.rate, info.channels, info.estimated) == (2.5, 44_100, 2, False)
    assert info.format == "WAV/PCM_24"
    mp3 = encoded(noise(10, 32_000), 32_000, "MP3")
    assert audio_info(mp3).estimated
    assert abs(audio_info(mp3).duration - 10) < 0.2
    cut = audio_info(mp3[: len(mp3) // 2], count=True)
    assert not cut.estimated
    assert 4.5 < cut.duration < 5.5


_PEAK = """
import resource, sys
from effbench.data.audio import stream_audio
count = sum(len(block) for block in stream_audio(sys.argv[1]))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_two_hours_take_the_memory_of_one_minute(tmp_path):
    def peak(seconds):
        path = tmp_path / f"{seconds}.wav"
        frames = seconds * 22_050
        header = bytearray(encoded(np.zeros(0), 22_050, subtype="PCM_16"))
        header[4:8] = (36 + frames * 2).to_bytes(4, "little")
        header[40:44] = (frames * 2).to_bytes(4, "little")
        path.write_bytes(header)
        with path.open("r+b") as file:
            file.truncate(44 + frames * 2)  # sparse
        output = subprocess.run(
            [sys.executable, "-c", _PEAK, path], capture_output=True, text=True, check=True
        ).stdout.split()
        assert int(output[0]) == seconds * SAMPLE_RATE
        return int(output[1])

    assert peak(7200) < 1.05 * peak(60)


@pytest.mark.parametrize(
    ("form", "rate"), [("WAV", 16_000), ("FLAC", 16_000), ("MP3", 16_000), ("OGG", 16_000), ("FLAC", 44_100)]
)
@pytest.mark.parametrize(
    ("offset", "seconds"), [(0.0, 1.0), (1.24, 2.0), (17.96, 1.5), (19.0, 5.0), (3.0, None)]
)
def test_a_piece_has_exactly_the_samples_that_the_whole_has_there(form, rate, offset, seconds):
    data = encoded(noise(20, rate, 2), rate, form)
    first = round(offset * SAMPLE_RATE)
    end = None if seconds is None else first + round(seconds * SAMPLE_RATE)
    np.testing.assert_array_equal(
        read_audio(data, offset=offset, seconds=seconds), read_audio(data)[first:end]
    )


@pytest.mark.parametrize(("form", "rate"), [("WAV", 16_000), ("FLAC", 16_000), ("MP3", 32_000)])
def test_beyond_the_end_there_are_no_samples(form, rate):
    data = encoded(noise(2, rate), rate, form)
    assert read_audio(data, offset=3.0, seconds=1.0).shape == (0,)


def test_seeking_reads_the_piece_alone():
    samples = noise(60)
    samples[10 * SAMPLE_RATE] = np.nan
    data = encoded(samples, subtype="FLOAT")
    assert len(read_audio(data, offset=30.0, seconds=10.0)) == 10 * SAMPLE_RATE
    with pytest.raises(AudioError, match=r"not finite.* after 8\.0 s"):
        read_audio(data, offset=8.0, seconds=10.0)


def test_a_piece_behind_the_damage_is_empty_and_the_damage_is_told():
    data, told = encoded(noise(20), form="FLAC"), []
    cut = data[: len(data) // 2]
    assert read_audio(cut, offset=15.0, name="cut", on_damage=told.append).shape == (0,)
    assert len(told) == 1
    assert told[0].startswith("cut: damaged before 15.00 s")
