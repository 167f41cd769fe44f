"""The page that detects events in a browser; skips where ``npm install`` has not been run in its folder."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import soundfile

from effbench.grid import FRAME_SAMPLES, SAMPLE_RATE
from tests.browser import chromium
from tests.pages import ROOT

onnx = pytest.importorskip("onnx")
FOLDER = ROOT / "examples" / "browser"

pytestmark = pytest.mark.skipif(
    not (FOLDER / "node_modules").is_dir(),
    reason="onnxruntime-web is missing: npm install in examples/browser",
)


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=FOLDER))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    server.server_close()


def loudness_detector(path, **about):
    """Frames whose loudest sample is above 0.1 are events of the one class."""
    graph = onnx.parser.parse_graph(
        f"""loudness (float[batch, samples] waveform) => (float[batch, 1, frames] strong)
        <int64[1] one = {{1}}, float[1] gain = {{100}}, float[1] bias = {{10}}> {{
            loud = Abs (waveform)
            channel = Unsqueeze (loud, one)
            peak = MaxPool <kernel_shape = [{FRAME_SAMPLES}], strides = [{FRAME_SAMPLES}]> (channel)
            louder = Mul (peak, gain)
            strong = Sub (louder, bias)
        }}"""
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    known = {"model": "loudness", "sample_rate": "16000", "frames_per_second": "25", "input": "waveform"}
    onnx.helper.set_model_props(model, known | {"classes": '["Tone"]'} | about)
    onnx.save(model, path)
    return path


def test_page_lists_the_events_of_a_recording_and_refuses_other_files(address, tmp_path):
    time = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    tone = 0.5 * np.sin(2 * np.pi * 440 * time) * ((time >= 1) & (time < 2))
    soundfile.write(tmp_path / "tone.wav", tone, SAMPLE_RATE)
    takes_features = loudness_detector(tmp_path / "features.onnx", input="features")
    with chromium() as browser:
        page = browser.new_page()
        page.goto(address)
        page.set_input_files("#audio", tmp_path / "tone.wav")
        page.set_input_files("#model", takes_features)
        page.wait_for_selector("#status:has-text('takes features')")
        page.set_input_files("#model", tmp_path / "tone.wav")
        page.wait_for_selector("#status:has-text('no ONNX file')")
        page.set_input_files("#model", loudness_detector(tmp_path / "loudness.onnx"))
        page.wait_for_selector("#events tbody tr")
        cells = page.locator("#events tbody td").all_inner_texts()
        assert cells == ["1.00", "2.00", "Tone", "1.000"]
        assert page.inner_text("#status").startswith("Events: 1 in 3.0 s")
