"""Downloads against a real server on this machine."""

import hashlib
import http.server
import threading
from typing import ClassVar

import pytest

import effbench
from effbench.cli.progress import showing_downloads
from effbench.errors import CheckpointError
from effbench.models import download, zoo
from effbench.models.located import locate_checkpoint
from effbench.spec import ModelSpec

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


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


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_whole_file_arrives_and_leaves_no_part(server, cache):
    path = download.cached_file(f"{server}/file", "file.pt")
    assert path.read_bytes() == CONTENT
    assert list(cache.iterdir()) == [path] == [cache / "file.pt"]
    assert download.cached_file(f"{server}/file", "file.pt") == path
    assert len(Handler.requested) == 1


@pytest.mark.parametrize("path", ["/file", "/no-ranges"])
def test_cut_off_download_is_continued(server, cache, path):
    with pytest.raises(CheckpointError, match="run it again"):
        download.cached_file(f"{server}/short", "file.pt")
    assert [path.name for path in cache.iterdir()] == ["file.pt.part"]
    arrived = (cache / "file.pt.part").stat().st_size
    assert 0 < arrived < len(CONTENT)
    assert download.cached_file(f"{server}{path}", "file.pt").read_bytes() == CONTENT
    assert Handler.requested[-1] == (path, arrived)


def test_part_longer_than_the_file_is_thrown_away(server, cache):
    cache.mkdir()
    (cache / "file.pt.part").write_bytes(CONTENT + b"x")
    assert download.cached_file(f"{server}/file", "file.pt").read_bytes() == CONTENT


def test_failure_gives_the_address_and_the_place_in_one_line(server, cache):
    with pytest.raises(CheckpointError) as caught:
        download.cached_file(f"{server}/missing", "fmn10_strong.pt")
    assert f"{server}/missing" in str(caught.value)
    assert str(cache / "fmn10_strong.pt") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_with_the_hash_of_its_card_is_taken_without_a_second_download(server, cache):
    for _ in range(2):
        assert download.cached_file(f"{server}/file", "file.pt", SHA256).read_bytes() == CONTENT
    assert len(Handler.requested) == 1


def test_damaged_file_in_the_cache_is_replaced(server, cache):
    cache.mkdir()
    (cache / "file.pt").write_bytes(CONTENT[:-1])
    assert download.cached_file(f"{server}/file", "file.pt", SHA256).read_bytes() == CONTENT


def test_damaged_file_that_can_not_be_replaced_is_named(server, cache):
    cache.mkdir()
    (cache / "file.pt").write_bytes(CONTENT[:-1])
    with pytest.raises(CheckpointError, match="instead of the damaged file there"):
        download.cached_file(f"{server}/missing", "file.pt", SHA256)


def test_another_file_than_the_card_states_is_refused_and_not_kept(server, cache):
    with pytest.raises(CheckpointError) as caught:
        download.cached_file(f"{server}/file", "file.pt", "0" * 64)
    assert f"expected {'0' * 64} but got {SHA256}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(cache.iterdir())


def test_hash_of_a_card_is_checked(server, cache, monkeypatch):
    model = zoo.models()[ModelSpec("fmn04")]
    card = model.card.model_copy(update={"sha256": {"strong": "0" * 64}})
    changed = model.model_copy(update={"card": card, "release": server})
    monkeypatch.setitem(zoo.models(), ModelSpec("fmn04"), changed)
    with pytest.raises(CheckpointError, match=f"expected {'0' * 64}"):
        locate_checkpoint(ModelSpec("fmn04"), "strong")
    assert locate_checkpoint(ModelSpec("fmn04"), "weak").read_bytes() == CONTENT


def test_progress_is_told_up_to_the_last_byte_and_nothing_is_printed(server, cache, capfd):
    with pytest.raises(CheckpointError):
        download.cached_file(f"{server}/short", "file.pt")
    arrived = (cache / "file.pt.part").stat().st_size
    steps = []
    with download.watching_downloads(lambda *step: steps.append(step)):
        download.cached_file(f"{server}/file", "file.pt")
    assert steps[-1] == ("file.pt", len(CONTENT), len(CONTENT))
    assert all(done > arrived and total == len(CONTENT) for _, done, total in steps)
    assert capfd.readouterr() == ("", "")


def test_command_shows_a_download(server, cache, capfd):
    with showing_downloads():
        download.cached_file(f"{server}/file", "file.pt")
    assert "file.pt" in capfd.readouterr().err


def test_published_name_is_taken_from_the_cache(tmp_path, monkeypatch):
    from tests.models import parity

    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path))
    parity.save(parity.raw_state("fmn04"), tmp_path / "fmn04_strong.pt")
    detector = effbench.build_model("fmn04", checkpoint="strong")
    expected = parity.renamed_state("fmn04")["strong_head.weight"]
    assert (detector.strong_head.weight == expected).all()
