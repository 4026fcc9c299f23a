"""Data sets beside MNIST: small files in the formats that users have, made here."""

import io
import pickle
import tarfile
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest

from swtrain.datasets import load_dataset
from swtrain.datasets.frontend import FRAME, FRAMES, RATE, features, fft_512, log2_q8
from swtrain.datasets.har import quantize_windows
from swtrain.datasets.keywords import augment, one_second, resample
from swtrain.errors import ConfigError, DataError


def hapt(folder: Path, shared_person: bool = False) -> Path:
    rng = np.random.default_rng(0)
    user = np.repeat([1, 2, 3, 4], 5).astype(np.int8)
    test = user > 3
    if shared_person:
        test[0] = True
    (folder / "har").mkdir()
    np.savez(
        folder / "har/hapt_windows_128.npz",
        x=rng.normal(0, 1, (20, 128, 6)).astype(np.float32),
        y=np.arange(20).astype(np.int8) % 6,
        user=user,
        test=test,
    )
    return folder


def test_hapt_splits_by_person_and_knows_its_range(tmp_path: Path) -> None:
    data = load_dataset("hapt", hapt(tmp_path))
    assert data.train.x.shape == (15, 9, 1, 128) and data.test.x.shape == (5, 9, 1, 128)
    assert data.train.groups is not None and set(data.train.groups) == {1, 2, 3}
    assert data.train.x.min() >= data.input_low and data.train.x.max() <= data.input_high
    assert load_dataset("hapt:channels=6", tmp_path).test.x.shape == (5, 6, 1, 128)


def test_body_acceleration_is_total_less_its_mean() -> None:
    x = np.zeros((1, 128, 6))
    x[0, :, 0] = 1 + 0.25 * np.where(np.arange(128) % 2, 1, -1)
    x[0, :, 3] = 100  # clipped
    nine = quantize_windows(x, 9)[0, :, 0]
    assert np.array_equal(nine[3], 4096 + 1024 * np.where(np.arange(128) % 2, 1, -1))
    assert np.array_equal(nine[0], nine[3] - 4096)
    assert set(nine[6]) == {4 * 4096 - 1}


def test_amplified_channels_are_shifted_and_end_at_the_same_limit() -> None:
    x = np.random.default_rng(4).normal(0, 0.3, (3, 128, 6))
    plain, loud = quantize_windows(x, 9), quantize_windows(x, 9, body=8, gyro=4)
    assert np.array_equal(loud[:, 3:6], plain[:, 3:6])  # total acceleration stays
    for channels, gain in ((slice(0, 3), 8), (slice(6, 9), 4)):
        expected = np.clip(plain[:, channels].astype(int) * gain, -4 * 4096, 4 * 4096 - 1)
        assert np.array_equal(loud[:, channels], expected)
        assert (np.abs(plain[:, channels].astype(int) * gain) > 4 * 4096).any()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hapt:channels=9,body=3", "body must be a power of two from 1 to 64, got 3"),
        ("hapt:channels=6,body=8", "there is no body acceleration in 6 channels"),
        ("hapt:channels=7", "channels must be 6 .* or 9"),
        ("hapt:channels=x", "channels must be a number, got 'x'"),
        ("hapt:width=3", "unknown option 'width=3': known are body=1, channels=9"),
        ("hapd", "unknown dataset 'hapd': .*did you mean 'hapt'"),
        ("mnist:a=1", "mnist takes no options"),
    ],
)
def test_wrong_names_and_options_are_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_dataset(name, hapt(tmp_path))


def test_persons_in_both_splits_are_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"persons \[.*1.*\] are in both splits"):
        load_dataset("hapt", hapt(tmp_path, shared_person=True))


def test_missing_and_damaged_files_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"hapt: none of har/hapt_windows_128.npz lies in .*give its folder with --data"
    ):
        load_dataset("hapt", tmp_path)
    (tmp_path / "hapt_windows_128.npz").write_bytes(b"PK nonsense")
    with pytest.raises(DataError, match=r"can't be read as .npz .*fetch it again"):
        load_dataset("hapt", tmp_path)


@pytest.mark.parametrize("nested", [False, True])
def test_uci_har_is_read_from_its_zip_and_agrees_with_hapt(tmp_path: Path, nested: bool) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (6, 128, 6)).round(5)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for part, rows in (("train", slice(0, 4)), ("test", slice(4, 6))):
            for k, kind in enumerate(("total_acc", "body_gyro")):
                for a, axis in enumerate("xyz"):
                    text = "\n".join(" ".join(f"{v:e}" for v in row) for row in x[rows, :, 3 * k + a])
                    archive.writestr(f"UCI HAR Dataset/{part}/Inertial Signals/{kind}_{axis}_{part}.txt", text)
            count = len(x[rows])
            archive.writestr(f"UCI HAR Dataset/{part}/y_{part}.txt", "\n".join("123456"[:count]))
            archive.writestr(f"UCI HAR Dataset/{part}/subject_{part}.txt", "\n".join(["7"] * count))
    content = buffer.getvalue()
    if nested:
        with zipfile.ZipFile(tmp_path / "UCI HAR Dataset.zip", "w") as outer:
            outer.writestr("UCI HAR Dataset.zip", content)
    else:
        (tmp_path / "UCI HAR Dataset.zip").write_bytes(content)
    data = load_dataset("uci-har", tmp_path)
    assert np.array_equal(data.train.x, quantize_windows(x[:4], 9))
    assert data.train.y.tolist() == [0, 1, 2, 3] and data.test.y.tolist() == [0, 1]


def test_the_integer_fft_agrees_with_numpy() -> None:
    x = np.random.default_rng(2).integers(-(2**14), 2**14, (4, FRAME)).astype(np.int32)
    re, im = fft_512(x)
    exact = np.fft.fft(x) / FRAME
    assert np.abs(re - exact.real).max() < 12 and np.abs(im - exact.imag).max() < 12
    assert np.abs(re).max() < 2**15


def test_log2_is_exact_at_powers_and_close_between() -> None:
    powers = 2 ** np.arange(0, 50, dtype=np.int64)
    assert np.array_equal(log2_q8(powers - 1), 256 * np.arange(50))
    x = np.arange(0, 100_000, 7, dtype=np.int64)
    assert np.abs(log2_q8(x) / 256 - np.log2(x + 1)).max() < 0.1


def test_features_do_not_depend_on_the_batch_and_follow_loudness() -> None:
    time = np.arange(RATE) / RATE
    tone = 8000 * np.sin(2 * np.pi * 440 * time)
    clips = np.stack([tone, tone / 8, np.zeros(RATE)]).astype(np.int16)
    mels = features(clips, 0)
    assert mels.shape == (3, 1, FRAMES, 40)
    assert np.array_equal(features(clips, 0, batch=1), mels)
    loudest = mels[0].mean((0, 1)).argmax()
    centre = 700 * (np.exp(np.linspace(1127 * np.log1p(60 / 700), 1127 * np.log1p(7600 / 700), 42) / 1127) - 1)
    assert abs(centre[loudest + 1] - 440) < 60
    fall = (mels[0] - mels[1])[0, :, loudest].mean() / 64
    assert fall == pytest.approx(6, abs=0.3)  # an eighth of the amplitude: 2**-6 of the energy
    cepstra = features(clips, 10)
    assert cepstra.shape == (3, 1, FRAMES, 10)
    # the others know nothing of loudness, up to the 16-bit floor of the FFT in the bands that the tone leaves empty
    assert np.abs(cepstra[0, 0, 5:40, 1:] - cepstra[1, 0, 5:40, 1:]).mean() < 80


def test_clips_become_one_second() -> None:
    assert one_second(np.ones(10, np.int16)).sum() == 10
    assert len(one_second(np.ones(10, np.int16))) == RATE
    long = np.zeros(3 * RATE, np.int16)
    long[20_000:30_000] = 100
    assert one_second(long).sum() == 100 * 10_000
    assert len(resample(np.ones(100, np.int16), 1.1)) == 110
    clip = np.random.default_rng(0).integers(-9000, 9000, RATE).astype(np.int16)
    first, again = (augment(clip, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, again) and not np.array_equal(first, clip)


def wakewords(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    np.savez(
        folder / "wakewords_1s_16k.npz",
        x=rng.integers(-999, 999, (8, RATE)).astype(np.int16),
        y=np.arange(8).astype(np.int8) % 2,
        names=np.array(["a", "b"]),
        test=np.arange(8) > 5,
    )
    return folder


def test_copies_of_a_clip_are_one_group(tmp_path: Path) -> None:
    data = load_dataset("wakewords:copies=3", wakewords(tmp_path))
    assert data.train.x.shape == (18, 1, 49, 10) and data.test.x.shape == (2, 1, 49, 10)
    assert data.train.groups is not None
    assert data.train.groups.tolist() == [*range(6)] * 3
    alone = load_dataset("wakewords:copies=1", tmp_path)
    assert np.array_equal(alone.train.x, data.train.x[:6]) and np.array_equal(alone.test.x, data.test.x)


def test_a_speaker_can_be_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "fsdd_8k.npz",
        audio=rng.integers(-999, 999, 4 * 3000).astype(np.int16),
        offset=np.arange(5) * 3000,
        label=np.array([0, 1, 0, 1], np.int8),
        speaker=np.array(["ann", "ann", "bob", "bob"]),
        index=np.array([0, 5, 0, 5], np.int8),
    )
    assert load_dataset("digits:copies=1", tmp_path).test.y.tolist() == [0, 0]
    data = load_dataset("digits:speaker=bob,copies=1", tmp_path)
    assert data.test.y.tolist() == [0, 1] and "speaker bob left out" in data.provenance
    with pytest.raises(ConfigError, match="no speaker 'eve'; known are ann, bob"):
        load_dataset("digits:speaker=eve", tmp_path)


def test_speech_commands_split_by_their_list(tmp_path: Path) -> None:
    for word in ("yes", "no"):
        (tmp_path / word).mkdir()
        for k in range(2):
            with wave.open(str(tmp_path / word / f"{k}.wav"), "wb") as sound:
                sound.setnchannels(1)
                sound.setsampwidth(2)
                sound.setframerate(RATE)
                sound.writeframes(np.full(8000, 100 * k, np.int16).tobytes())
    (tmp_path / "testing_list.txt").write_text("yes/1.wav\nno/0.wav\n")
    data = load_dataset("speech-commands:words=yes+no", tmp_path)
    assert data.classes == ("yes", "no") and data.train.y.tolist() == [0, 1] and data.test.y.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"maybe: holds no .wav files"):
        load_dataset("speech-commands:words=yes+maybe", tmp_path)


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(4)
    return [(rng.integers(0, 256, (3, 3072)).astype(np.uint8), rng.integers(0, 10, 3)) for _ in range(6)]


@pytest.mark.parametrize("kind", ["python", "binary"])
def test_cifar10_is_read_from_both_official_archives(tmp_path: Path, kind: str) -> None:
    with tarfile.open(tmp_path / f"cifar-10-{kind}.tar.gz", "w:gz") as archive:
        for k, (x, y) in enumerate(batches(), start=1):
            stem = "test_batch" if k == 6 else f"data_batch_{k}"
            content = (
                pickle.dumps({b"data": x, b"labels": y.tolist()}, protocol=2)
                if kind == "python"
                else np.concatenate([y[:, None].astype(np.uint8), x], 1).tobytes()
            )
            info = tarfile.TarInfo(f"cifar/{stem}" + (".bin" if kind == "binary" else ""))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    data = load_dataset("cifar10", tmp_path)
    assert data.train.x.shape == (15, 3, 32, 32) and data.test.x.shape == (3, 3, 32, 32)
    assert np.array_equal(data.test.x.reshape(3, -1), batches()[5][0])
    assert np.array_equal(data.train.y[:3], batches()[0][1])


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code of the file runs",))


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        content = pickle.dumps({b"data": Evil()})
        info = tarfile.TarInfo("data_batch_1")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    with pytest.raises(DataError, match=r"builtins.print is not data"):
        load_dataset("cifar10", tmp_path)


def test_images_of_a_folder(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for part in ("train", "test"):
        for k, name in enumerate(("cat", "dog")):
            (tmp_path / part / name).mkdir(parents=True)
            image.new("RGB", (20, 30), (10 * k, 0, 200)).save(tmp_path / part / name / "0.png")
    data = load_dataset("image-folder:size=16", tmp_path)
    assert data.classes == ("cat", "dog") and data.train.x.shape == (2, 3, 16, 16)
    assert data.test.x[1, :, 3, 3].tolist() == [10, 0, 200]
    (tmp_path / "test" / "dog" / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="can't be read as an image"):
        load_dataset("image-folder", tmp_path)
    with pytest.raises(ConfigError, match="give the folder with --data"):
        load_dataset("image-folder")
