"""Media files that libsndfile can't decode, made with PyAV's encoders."""

import random
import subprocess
import sys
import warnings

import av
import numpy as np
import pytest

from effbench.data.audio import audio_info, read_audio, stream_audio
from effbench.errors import AudioError, EffbenchWarning

KINDS = {
    "phone.m4a": ("mp4", "aac", 44_100),
    "clip.mp4": ("mp4", "aac", 48_000),
    "talk.webm": ("webm", "libopus", 48_000),
    "box.mka": ("matroska", "aac", 32_000),
    "raw.aac": ("adts", "aac", 16_000),
    "call.3gp": ("3gp", "aac", 16_000),
}


def encode(path, seconds, *, container, codec, rate, layout="stereo"):
    """Chirps, the right channel half as loud as the left; returns the mean, (samples,) at ``rate``."""
    time = np.arange(round(seconds * rate)) / rate
    left = (0.4 * np.sin(2 * np.pi * (300 + 20 * time) * time)).astype(np.float32)
    both = np.stack([left, left / 2])[: 2 if layout == "stereo" else 1]
    with av.open(path, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        for start in range(0, len(time), rate):
            block = np.ascontiguousarray(both[:, start : start + rate])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return both.mean(axis=0)


@pytest.fixture(params=KINDS)
def media(request, tmp_path):
    container, codec, rate = KINDS[request.param]
    path = tmp_path / request.param
    return path, encode(path, 12.5, container=container, codec=codec, rate=rate), rate


def test_media_are_decoded_as_their_samples(media):
    path, samples, rate = media
    decoded = read_audio(path)
    assert len(decoded) == pytest.approx(12.5 * 16_000, abs=0.2 * 16_000)
    import soxr

    wanted = soxr.resample(samples, rate, 16_000)
    # Encoders put some milliseconds before the audio that not all containers tell of.
    middle = wanted[40_000:120_000]
    lag = np.argmax(np.correlate(decoded[38_000:122_000], middle, "valid"))
    found = decoded[38_000 + lag :][: len(middle)]
    assert np.corrcoef(found, middle)[0, 1] > 0.99


def test_media_are_streamed_as_they_are_read(media):
    path, _, rate = media
    np.testing.assert_array_equal(
        np.concatenate(list(stream_audio(path, block_seconds=1.7))), read_audio(path)
    )
    np.testing.assert_array_equal(read_audio(path, offset=3.2, seconds=2), read_audio(path)[51_200:83_200])
    np.testing.assert_array_equal(read_audio(path.read_bytes()), read_audio(path))
    info = audio_info(path, count=True)
    assert (info.rate, info.channels) == (rate, 2)
    assert info.duration == pytest.approx(12.5, abs=0.2)


def test_a_truncated_file_is_used_up_to_its_end(tmp_path):
    path = tmp_path / "cut.mka"
    encode(path, 30, container="matroska", codec="aac", rate=16_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    told = []
    decoded = read_audio(path, on_damage=told.append)
    assert 10 < len(decoded) / 16_000 < 20
    assert len(told) == 1
    assert "cut.mka: damaged after" in told[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.m4a", b"not at all what its name says\n" * 100),
        ("list.m4a", b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nother.wav\n#EXT-X-ENDLIST\n"),
        ("list.mp4", b"ffconcat version 1.0\nfile other.wav\n"),
        ("cut.mp4", b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2mp41\0\0\0\x08free\0\0\x20\0mdat"),
        ("cut.webm", b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x86\x81\x01"),
    ],
)
def test_what_is_no_media_is_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioError, match="no audio that can be decoded") as caught:
        read_audio(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_film_without_sound_is_refused(tmp_path):
    path = tmp_path / "silent.mp4"
    with av.open(path, "w") as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        for _ in range(5):
            file.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        file.mux(stream.encode(None))
    with pytest.raises(AudioError, match="no audio in it"):
        read_audio(path)


def test_without_the_decoder_the_cure_is_named(tmp_path):
    path = tmp_path / "phone.m4a"
    encode(path, 1, container="mp4", codec="aac", rate=16_000)
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from effbench.data.audio import read_audio\n"
        "read_audio(sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert "pip install 'effbench[media]'" in done.stderr


def test_damaged_media_end_in_one_line_or_in_what_can_be_heard(media, tmp_path):
    path, _, _ = media
    content, rng = path.read_bytes(), random.Random(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EffbenchWarning)
        for _ in range(40):
            damaged = bytearray(content[: rng.randrange(len(content) // 2, len(content))])
            for _ in range(rng.choice([0, 5, 50])):
                damaged[rng.randrange(rng.choice([2000, len(damaged)]))] = rng.randrange(256)
            path.write_bytes(damaged)
            said = ""
            try:
                assert np.isfinite(read_audio(path)).all()
            except AudioError as error:
                said = str(error)
            assert "\n" not in said
