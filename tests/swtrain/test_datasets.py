"""Data sets: the embedded subset, the canonical files, and what is wrong with a bad one."""

import gzip
import hashlib
import lzma
import struct
from pathlib import Path

import numpy as np
import pytest

import swtrain
from swtrain.datasets import Split, load_dataset, mnist
from swtrain.download import ByteProgress
from swtrain.errors import ConfigError, DataError
from swtrain.idx import idx_bytes, parse_idx, read_bytes
from swtrain.subset import LIMIT_BYTES, TEST_PER_CLASS, TRAIN_PER_CLASS, first_per_class, make_subset

SUBSET = Path(swtrain.__file__).parent / "data" / "mnist-subset"


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment with nothing at hand; returns the cache folder."""
    monkeypatch.delenv("SWTRAIN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path / "cache" / "swtrain" / "mnist"


@pytest.fixture
def small_mnist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with four small IDX files that count as canonical."""
    folder = tmp_path / "files"
    folder.mkdir()
    known = {}
    for stem in mnist.MNIST_SHA256:
        shape = (20, 28, 28) if "images" in stem else (20,)
        content = idx_bytes(np.arange(np.prod(shape), dtype=np.uint64).astype(np.uint8).reshape(shape) % 10)
        (folder / f"{stem}.gz").write_bytes(gzip.compress(content, mtime=0))
        known[stem] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(mnist, "MNIST_SHA256", known)
    return folder


def test_the_subset_is_balanced_and_small() -> None:
    dataset = load_dataset("mnist-subset")
    assert sum(path.stat().st_size for path in SUBSET.iterdir()) <= LIMIT_BYTES
    for split, count in ((dataset.train, TRAIN_PER_CLASS), (dataset.test, TEST_PER_CLASS)):
        assert split.x.shape == (10 * count, 1, 28, 28)
        assert split.x.dtype == np.uint8
        assert split.y.dtype == np.int64
        assert np.bincount(split.y).tolist() == [count] * 10
    assert dataset.classes == tuple("0123456789")
    assert "MNIST subset" in dataset.provenance


def test_the_subsets_splits_share_no_image() -> None:
    dataset = load_dataset("mnist-subset")
    train = {image.tobytes() for image in dataset.train.x}
    assert not any(image.tobytes() in train for image in dataset.test.x)


def test_inputs_are_exact_in_fixed_point() -> None:
    dataset = load_dataset("mnist-subset")
    pixels = np.arange(256, dtype=np.uint8)
    real = dataset.to_real(pixels)
    assert real.dtype == np.float32
    assert np.array_equal(real * 2**dataset.input_frac_bits, pixels)
    assert real.max() < 1


@pytest.mark.data
def test_the_subset_is_what_its_rule_says(canonical_mnist: Path) -> None:
    subset, full = load_dataset("mnist-subset"), load_dataset("mnist", canonical_mnist)
    assert (len(full.train), len(full.test)) == (60_000, 10_000)
    for part, whole, count in (
        (subset.train, full.train, TRAIN_PER_CLASS),
        (subset.test, full.test, TEST_PER_CLASS),
    ):
        index = first_per_class(whole.y, count)
        assert np.array_equal(part.x, whole.x[index])
        assert np.array_equal(part.y, whole.y[index])


def test_making_a_subset_gives_the_same_bytes_twice(
    small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swtrain.subset.TRAIN_PER_CLASS", 1)
    monkeypatch.setattr("swtrain.subset.TEST_PER_CLASS", 1)
    sizes = [make_subset(small_mnist, tmp_path / name) for name in ("a", "b")]
    assert sizes[0] == sizes[1]
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    labels = parse_idx(read_bytes(tmp_path / "a" / "train-labels-idx1-ubyte.xz"), "labels", 1)
    assert sorted(labels) == list(range(10))


@pytest.mark.parametrize("form", ["gz", "raw", "dotted"])
def test_canonical_files_are_found_in_a_given_folder(small_mnist: Path, no_data: Path, form: str) -> None:
    for path in list(small_mnist.iterdir()):
        if form == "raw":
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        elif form == "dotted":
            path.with_name(path.name.replace("-idx", ".idx")).write_bytes(path.read_bytes())
        if form != "gz":
            path.unlink()
    dataset = load_dataset("mnist", small_mnist)
    assert dataset.train.x.shape == (20, 1, 28, 28)
    assert dataset.train.y.tolist() == [*range(10), *range(10)]


@pytest.mark.parametrize("inner", ["", "mnist"])
def test_canonical_files_are_found_by_the_environment(
    small_mnist: Path, no_data: Path, monkeypatch: pytest.MonkeyPatch, inner: str
) -> None:
    if inner:
        (small_mnist / inner).mkdir()
        for path in small_mnist.glob("*.gz"):
            path.rename(small_mnist / inner / path.name)
    monkeypatch.setenv("SWTRAIN_DATA", str(small_mnist))
    assert len(load_dataset("mnist").train) == 20


def test_the_cache_is_used_and_filled(small_mnist: Path, no_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fake(urls: list[str], target: Path, sha256: str, progress: ByteProgress | None = None) -> None:
        fetched.append(urls)
        assert sha256 == mnist.MNIST_SHA256[target.stem]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((small_mnist / target.name).read_bytes())

    monkeypatch.setattr(mnist, "download", fake)
    assert len(load_dataset("mnist").test) == 20
    assert len(fetched) == 4
    assert fetched[0] == [f"{mirror}/train-images-idx3-ubyte.gz" for mirror in mnist.MNIST_MIRRORS]
    assert sorted(path.name for path in no_data.iterdir()) == sorted(path.name for path in small_mnist.iterdir())
    load_dataset("mnist")
    assert len(fetched) == 4


def test_an_unknown_data_set_is_named_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"unknown dataset 'minst': .*did you mean 'mnist'"):
        load_dataset("minst")


def test_the_embedded_subset_takes_no_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mnist-subset lies inside the package"):
        load_dataset("mnist-subset", tmp_path)


def test_missing_files_are_named(small_mnist: Path, tmp_path: Path) -> None:
    (small_mnist / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="the folder lacks t10k-labels-idx1-ubyte; fetch the canonical MNIST"):
        load_dataset("mnist", small_mnist)
    with pytest.raises(DataError, match="nowhere: the folder does not exist"):
        load_dataset("mnist", tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="this is a file, but the data path must be a folder"):
        load_dataset("mnist", tmp_path / "file")


def test_a_truncated_or_corrupt_file_is_named(small_mnist: Path) -> None:
    path = small_mnist / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: truncated after \d+ bytes; fetch"):
        load_dataset("mnist", small_mnist)
    path.write_bytes(b"not gzip")
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: corrupt"):
        load_dataset("mnist", small_mnist)


def test_other_content_is_not_taken_for_mnist(small_mnist: Path) -> None:
    path = small_mnist / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(20, np.uint8))))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz: not the canonical content \(SHA-256 "):
        load_dataset("mnist", small_mnist)


def test_a_damaged_cache_says_how_to_get_the_file_again(small_mnist: Path, no_data: Path) -> None:
    no_data.parent.mkdir(parents=True)
    small_mnist.rename(no_data)
    (no_data / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"x"))
    with pytest.raises(DataError, match="delete it, and it is downloaded again"):
        load_dataset("mnist")


def test_a_damaged_package_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mnist, "files", lambda _: tmp_path)
    with pytest.raises(DataError, match="the embedded MNIST subset is incomplete; reinstall swtrain"):
        load_dataset("mnist-subset")


def test_splits_of_unequal_length_are_refused() -> None:
    with pytest.raises(DataError, match="2 images but 1 labels"):
        Split(np.zeros((2, 1, 28, 28), np.uint8), np.zeros(1, np.int64))


def test_idx_survives_the_round_trip() -> None:
    array = np.random.default_rng(0).integers(0, 256, (3, 4, 5)).astype(np.uint8)
    assert np.array_equal(parse_idx(idx_bytes(array), "here", 3), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0", "here: 2 bytes are too few for an IDX header of 8"),
        (struct.pack(">HBBI", 0, 0x0D, 1, 4) + bytes(16), r"not an IDX file of uint8 with 1 axes .*0x00000d01"),
        (struct.pack(">HBBII", 0, 8, 2, 1, 4) + bytes(4), r"not an IDX file of uint8 with 1 axes"),
        (struct.pack(">HBBI", 0, 8, 1, 4) + bytes(3), r"holds 11 bytes, its header \(4,\) means 12"),
        (struct.pack(">HBBI", 0, 8, 1, 4) + bytes(5), r"holds 13 bytes, its header \(4,\) means 12"),
    ],
)
def test_a_wrong_idx_header_is_named(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_idx(content, "here", 1)


def test_a_truncated_xz_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.xz"
    path.write_bytes(lzma.compress(bytes(1000))[:-20])
    with pytest.raises(DataError, match=r"a.xz: corrupt"):
        read_bytes(path)
    with pytest.raises(DataError, match=r"b.xz: cannot read the file: No such file"):
        read_bytes(tmp_path / "b.xz")
