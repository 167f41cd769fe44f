"""Decodes what it is sent, in every way there is, in a process that may die: a line of answer for each."""

import io
import os
import resource
import struct
import sys
import tempfile
import traceback
import warnings

from effbench.data.audio import audio_info, read_audio, stream_audio
from effbench.errors import AudioError


def every_way(content):
    """Lengths found by each way, or the message of each refusal."""
    with tempfile.NamedTemporaryFile(suffix=".mp3") as file:
        file.write(content)
        file.flush()
        ways = (
            lambda: len(read_audio(file.name, name="clip")),
            lambda: len(read_audio(content, name="clip")),
            lambda: sum(map(len, stream_audio(io.BytesIO(content), block_seconds=0.5, name="clip"))),
            lambda: audio_info(content, name="clip").duration >= 0,
        )
        outcomes = []
        for way in ways:
            try:
                outcomes.append(way())
            except AudioError as error:
                message = str(error)
                assert message.startswith("clip: ")
                assert "\n" not in message
                assert message.isprintable(), repr(message)
                outcomes.append("refused")
        assert outcomes[0] == outcomes[1] == outcomes[2], outcomes
        return outcomes[0]


def main():
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    warnings.simplefilter("ignore")
    # libsndfile's ALAC decoder prints.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    while header := sys.stdin.buffer.read(4):
        content = sys.stdin.buffer.read(*struct.unpack("<I", header))
        try:
            answer = f"ok {every_way(content)}"
        except BaseException:
            answer = "bug " + traceback.format_exc().replace("\n", " | ")
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    main()
