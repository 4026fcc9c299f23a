"""Downloads against a server on this machine: resume, cut connections, wrong content, missing files."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from swtrain.download import download
from swtrain.errors import DataError

CONTENT = np.random.default_rng(0).integers(0, 256, 300_000).astype(np.uint8).tobytes()
FILE = gzip.compress(CONTENT, mtime=0)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves FILE, as misbehaved as its attributes say."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cut_after: int | None = None  # bytes per response before the connection closes
        self.ranges = True
        self.file = FILE
        self.seen: list[str | None] = []  # the Range header of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.gz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.seen.append(asked)
        if self.path != "/file.gz":
            self.send_error(404)
            return
        body, start = self.server.file, 0
        if asked and self.server.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        stop = len(body) if self.server.cut_after is None else start + self.server.cut_after
        self.wfile.write(body[start:stop])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_file_is_fetched_checked_and_put_in_place(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    target = tmp_path / "new" / "file.gz"
    download([server.url], target, SHA256, lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == FILE
    assert list(target.parent.iterdir()) == [target]
    assert seen[-1] == (len(FILE), len(FILE))
    assert len(seen) > 3


def test_a_partial_file_is_continued(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.gz.part").write_bytes(FILE[:123_456])
    download([server.url], tmp_path / "file.gz", SHA256)
    assert server.seen == ["bytes=123456-"]
    assert (tmp_path / "file.gz").read_bytes() == FILE


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "file.gz.part").write_bytes(FILE[:1000])
    download([server.url], tmp_path / "file.gz", SHA256)
    assert (tmp_path / "file.gz").read_bytes() == FILE


def test_a_connection_that_is_cut_again_and_again_still_arrives(server: Server, tmp_path: Path) -> None:
    server.cut_after = len(FILE) // 6
    download([server.url], tmp_path / "file.gz", SHA256)
    assert (tmp_path / "file.gz").read_bytes() == FILE
    assert len(server.seen) >= 6


def test_what_has_arrived_stays_for_the_next_call(server: Server, tmp_path: Path) -> None:
    server.cut_after = 0
    (tmp_path / "file.gz.part").write_bytes(FILE[:5000])
    with pytest.raises(DataError, match=r"file.gz: could not be downloaded \(.*cut after 5,000 of"):
        download([server.url], tmp_path / "file.gz", SHA256)
    assert (tmp_path / "file.gz.part").read_bytes() == FILE[:5000]
    assert not (tmp_path / "file.gz").exists()
    server.cut_after = None
    download([server.url], tmp_path / "file.gz", SHA256)
    assert (tmp_path / "file.gz").read_bytes() == FILE


@pytest.mark.parametrize("junk", [b"junk" * 100, b"junk" * 200_000], ids=["short", "long"])
def test_a_partial_file_of_something_else_is_dropped(server: Server, tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "file.gz.part").write_bytes(junk)
    download([server.url], tmp_path / "file.gz", SHA256)
    assert (tmp_path / "file.gz").read_bytes() == FILE


@pytest.mark.parametrize("file", [gzip.compress(b"other", mtime=0), b"<html>log in first</html>"], ids=["gzip", "html"])
def test_wrong_content_is_refused(server: Server, tmp_path: Path, file: bytes) -> None:
    server.file = file
    with pytest.raises(DataError, match=r"wrong content \(SHA-256 .*, expected " + SHA256[:12]):
        download([server.url], tmp_path / "file.gz", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_the_next_mirror_is_tried(server: Server, tmp_path: Path) -> None:
    missing = server.url.replace("file.gz", "other.gz")
    download([missing, server.url], tmp_path / "file.gz", SHA256)
    assert (tmp_path / "file.gz").read_bytes() == FILE


def test_a_file_that_no_mirror_has_names_all_and_the_remedy(server: Server, tmp_path: Path) -> None:
    missing = server.url.replace("file.gz", "other.gz")
    with pytest.raises(DataError, match=r"HTTP 404 .*; http.*HTTP 404 .*SWTRAIN_DATA"):
        download([missing, missing], tmp_path / "file.gz", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_no_server_at_all_is_an_error(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        url = f"http://127.0.0.1:{closed.server_port}/file.gz"
    with pytest.raises(DataError, match=r"connection failed \(.*check the connection"):
        download([url], tmp_path / "file.gz", SHA256)


def test_a_cache_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot create the cache folder"):
        download([], tmp_path / "file" / "x.gz", SHA256)
