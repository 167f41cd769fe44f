"""Downloads against a real server on this machine."""

import http.server
import threading
from typing import ClassVar

import pytest

import effbench
from effbench.errors import CheckpointError
from effbench.models import download

CONTENT = bytes(range(256)) * 4000


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; ``/short`` breaks off after a third."""

    requested: ClassVar[list] = []

    def do_GET(self):
        start = int(self.headers["Range"][6:-1]) if self.headers["Range"] else 0
        self.requested.append((self.path, start))
        if self.path == "/missing":
            self.send_error(404)
            return
        if start >= len(CONTENT):
            self.send_error(416)
            return
        ranged = start and self.path != "/no-ranges"
        body = CONTENT[start:] if ranged else CONTENT
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 3] if self.path == "/short" else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Handler.requested = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_whole_file_arrives_and_leaves_no_part(server, tmp_path):
    download.download(f"{server}/file", tmp_path / "new" / "file.pt")
    assert (tmp_path / "new" / "file.pt").read_bytes() == CONTENT
    assert len(list((tmp_path / "new").iterdir())) == 1


@pytest.mark.parametrize("path", ["/file", "/no-ranges"])
def test_cut_off_download_is_continued(server, tmp_path, path):
    target = tmp_path / "file.pt"
    with pytest.raises(OSError, match="run it again"):
        download.download(f"{server}/short", target)
    assert not target.exists()
    arrived = (tmp_path / "file.pt.part").stat().st_size
    assert 0 < arrived < len(CONTENT)
    download.download(f"{server}{path}", target)
    assert target.read_bytes() == CONTENT
    assert Handler.requested[-1] == (path, arrived)


def test_part_longer_than_the_file_is_thrown_away(server, tmp_path):
    (tmp_path / "file.pt.part").write_bytes(CONTENT + b"x")
    download.download(f"{server}/file", tmp_path / "file.pt")
    assert (tmp_path / "file.pt").read_bytes() == CONTENT


def test_failure_gives_the_address_and_the_place_in_one_line(server, tmp_path, monkeypatch):
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError) as caught:
        download.cached_file(f"{server}/missing", "fmn10_strong.pt")
    assert f"{server}/missing" in str(caught.value)
    assert str(tmp_path / "fmn10_strong.pt") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_published_name_is_taken_from_the_cache(tmp_path, monkeypatch):
    from tests.models import parity

    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path))
    parity.save(parity.raw_state("fmn04"), tmp_path / "fmn04_strong.pt")
    detector = effbench.build_model("fmn04", checkpoint="strong")
    expected = parity.renamed_state("fmn04")["strong_head.weight"]
    assert (detector.strong_head.weight == expected).all()
