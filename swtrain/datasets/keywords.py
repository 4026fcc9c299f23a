"""Spoken keywords: wake words, digits and Speech Commands, as features of the integer front end.

Every clip becomes one second at 16 kHz (shorter ones are padded, longer ones cut around their loudest second).
Training clips may come in several copies: the original, and others with another speed (+-10 %), start (+-0.1 s) and
background noise. Copies of one clip share a group, so none of them is held out alone.
"""

from __future__ import annotations

import itertools
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError
from .base import Dataset, Split, find_file, load_arrays
from .frontend import LIMIT, NETWORK_FRAC_BITS, RATE, features

SHIFT = RATE // 10
SPEED = 0.1
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
COMMANDS_URL = "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz"


def one_second(clip: NDArray[np.int16]) -> NDArray[np.int16]:
    """A clip at 16 kHz as exactly 16,000 samples: padded evenly, or its loudest second."""
    if len(clip) <= RATE:
        before = (RATE - len(clip)) // 2
        return np.pad(clip, (before, RATE - len(clip) - before))
    energy = np.concatenate([[0], np.cumsum(clip.astype(np.int64) ** 2)])
    start = int((energy[RATE:] - energy[:-RATE]).argmax())
    return clip[start : start + RATE]


def resample(clip: NDArray[np.int16], factor: float) -> NDArray[np.int16]:
    """A clip stretched in time by `factor`, linear between samples."""
    positions = np.arange(round(len(clip) * factor)) / factor
    return np.rint(np.interp(positions, np.arange(len(clip)), clip)).astype(np.int16)


def augment(clip: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """A copy with another speed, start and noise."""
    changed = one_second(resample(clip, 1 + rng.uniform(-SPEED, SPEED)))
    changed = np.roll(changed, rng.integers(-SHIFT, SHIFT + 1)).astype(np.float64)
    loud = max(float(np.sqrt(np.mean(changed**2))), 1.0)
    noise = rng.standard_normal(RATE) * loud * 10 ** (-rng.uniform(15, 40) / 20)
    return np.clip(np.rint(changed * rng.uniform(0.6, 1.2) + noise), -32768, 32767).astype(np.int16)


def _split(clips: NDArray[np.int16], y: NDArray[np.int64], copies: int, cepstra: int) -> Split:
    """Features of `copies` of each clip; the first copy is the clip itself."""
    rng = np.random.default_rng(0)
    audio, group = [clips], [np.arange(len(clips))]
    for _ in range(copies - 1):
        audio.append(np.stack([augment(clip, rng) for clip in clips]))
        group.append(np.arange(len(clips)))
    return Split(features(np.concatenate(audio), cepstra), np.tile(y, copies), np.concatenate(group))


def _dataset(
    name: str,
    train: tuple[NDArray[np.int16], NDArray[np.int64]],
    test: tuple[NDArray[np.int16], NDArray[np.int64]],
    classes: tuple[str, ...],
    provenance: str,
    copies: int,
    cepstra: int,
) -> Dataset:
    if not 1 <= copies <= 16 or not 0 <= cepstra <= 40:
        raise ConfigError(f"dataset {name}: copies {copies} must be 1 to 16 and cepstra {cepstra} 0 (log-mel) to 40")
    splits = (_split(*train, copies, cepstra), _split(*test, 1, cepstra))
    return Dataset(name, *splits, classes, NETWORK_FRAC_BITS, provenance, -LIMIT, LIMIT - 1)


def load_wakewords(name: str, path: Path | None, copies: int = 4, cepstra: int = 10) -> Dataset:
    """Six wake words; speakers are not known, so the split may share them: its accuracy is optimistic."""
    file = find_file(path, ("kws/wakewords_1s_16k.npz",), "wakewords", "the project's data folder")
    stored = load_arrays(file, ("x", "y", "names", "test"))
    x, y, test = stored["x"], stored["y"].astype(np.int64), stored["test"]
    if x.ndim != 2 or x.shape[1] != RATE or x.dtype != np.int16:
        raise DataError(f"{file}: x is {x.dtype} {x.shape}, it should be int16 (N, 16000); fetch it again")
    provenance = f"Picovoice wake-word benchmark, {int((~test).sum()):,} / {int(test.sum()):,} clips, speakers unknown"
    classes = tuple(str(n) for n in stored["names"])
    return _dataset(name, (x[~test], y[~test]), (x[test], y[test]), classes, provenance, copies, cepstra)


def load_digits(name: str, path: Path | None, speaker: str = "", copies: int = 4, cepstra: int = 10) -> Dataset:
    """Spoken digits; with `speaker` all clips of that person are the test, else takes 0-4 of everyone (canonical)."""
    file = find_file(path, ("kws/fsdd_8k.npz",), "digits", "the project's data folder")
    stored = load_arrays(file, ("audio", "offset", "label", "speaker", "index"))
    audio, offset = stored["audio"], stored["offset"]
    people = sorted({str(s) for s in stored["speaker"]})
    if speaker and speaker not in people:
        raise ConfigError(f"dataset {name}: no speaker '{speaker}'; known are {', '.join(people)}")
    clips = np.stack([one_second(resample(audio[a:b], 2.0)) for a, b in itertools.pairwise(offset)])
    y = stored["label"].astype(np.int64)
    test = stored["speaker"] == speaker if speaker else stored["index"] < 5
    how = f"speaker {speaker} left out" if speaker else "takes 0-4 of each speaker to test"
    provenance = f"Free Spoken Digit Dataset, {int((~test).sum()):,} / {int(test.sum()):,} clips, {how}"
    classes = tuple(str(d) for d in range(10))
    return _dataset(name, (clips[~test], y[~test]), (clips[test], y[test]), classes, provenance, copies, cepstra)


def load_speech_commands(
    name: str, path: Path | None, words: str = "+".join(COMMANDS), copies: int = 1, cepstra: int = 10
) -> Dataset:
    """Speech Commands v0.02, unpacked; `testing_list.txt` splits by speaker. `words` joins words by +."""
    where = ("speech_commands_v0.02", "kws/speech_commands_v0.02")
    folder = path if path is not None and path.is_dir() else find_file(path, where, "speech-commands", COMMANDS_URL)
    wanted = tuple(words.split("+"))
    listing = folder / "testing_list.txt"
    if not listing.is_file():
        raise DataError(f"{folder}: lacks testing_list.txt; unpack {COMMANDS_URL} there")
    testing = set(listing.read_text(encoding="utf-8").split())
    parts: dict[bool, list[tuple[NDArray[np.int16], int]]] = {False: [], True: []}
    for label, word in enumerate(wanted):
        files = sorted((folder / word).glob("*.wav"))
        if not files:
            raise DataError(f"{folder / word}: holds no .wav files; check the word, or unpack {COMMANDS_URL} again")
        for file in files:
            parts[f"{word}/{file.name}" in testing].append((one_second(_read_wav(file)), label))
    if not parts[True] or not parts[False]:
        raise DataError(f"{folder}: testing_list.txt leaves a split of {words} empty; unpack {COMMANDS_URL} again")
    train, test = (
        (np.stack([clip for clip, _ in parts[key]]), np.array([label for _, label in parts[key]], np.int64))
        for key in (False, True)
    )
    provenance = f"Speech Commands v0.02, {len(train[1]):,} / {len(test[1]):,} clips, split by speaker"
    return _dataset(name, train, test, wanted, provenance, copies, cepstra)


def _read_wav(file: Path) -> NDArray[np.int16]:
    try:
        with wave.open(str(file), "rb") as sound:
            if (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) != (1, 2, RATE):
                raise DataError(f"{file}: must be mono, 16 bits, 16 kHz")
            return np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.int16)
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(f"{file}: can't be read as WAV ({error}); fetch it again") from error
