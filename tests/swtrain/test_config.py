"""Configs: defaults, TOML, overrides, and one sentence for each mistake."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from swtrain.config import TrainConfig, differing_keys, load_config, parse_config
from swtrain.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_defaults_are_the_papers_levels() -> None:
    config = load_config()
    assert config.levels == (60.24, 40.50, 20.70)
    assert config.densities == pytest.approx((0.3976, 0.595, 0.793))
    assert (config.model, config.strategy, config.scope) == ("lenet5", "sequential", "layer")


def test_overrides_win_over_the_file_and_reach_into_sections(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("seed = 3\nlevels = [90, 50]\n[epochs]\ndense = 7\ngrow = 5\n")
    config = load_config(path, {"seed": 4, "epochs.grow": 2, "levels": "80, 40,0", "data": None})
    assert config.seed == 4
    assert config.levels == (80, 40, 0)
    assert (config.epochs.dense, config.epochs.grow) == (7, 2)


def test_stored_form_reads_back() -> None:
    config = load_config(None, {"levels": [0], "lr.dense": 0.1})
    assert parse_config(json.loads(json.dumps(config.to_dict()))) == config


def test_differing_keys_ignore_where_the_data_lie() -> None:
    old = TrainConfig()
    new = load_config(None, {"epochs.prune": 9, "seed": 1, "data": "somewhere"})
    assert differing_keys(old, new) == {"seed": (0, 1), "epochs.prune": (6, 9)}


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/*.toml")), ids=lambda p: p.stem)
def test_shipped_configs_are_valid(path: Path) -> None:
    load_config(path)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"levels": [20.7, 40.5]}, r"levels: 40.5 % follows 20.7 %.*density must increase"),
        ({"levels": [50, 50]}, r"50 % follows 50 %"),
        ({"levels": [100]}, r"sparsity 100 % is out of range; it must be at least 0 and below 100"),
        ({"levels": [-1]}, r"sparsity -1 % is out of range"),
        ({"levels": [float("nan")]}, r"sparsity nan % is out of range"),
        ({"levels": []}, r"levels: the list is empty"),
        ({"levels": "a,b"}, r"levels.0: .*valid number.*got 'a'"),
        ({"levels": [i / 3 for i in range(290, 0, -1)]}, r"290 levels do not fit.*at most 255"),
        ({"stratgy": "sequential"}, r"unknown key 'stratgy'.*did you mean 'strategy'"),
        ({"epochs.dens": 3}, r"unknown key 'epochs.dens'.*did you mean 'epochs.dense'"),
        ({"epochs": 3}, r"epochs: "),
        ({"strategy": "magic"}, r"strategy: .*'sequential', 'joint', 'hybrid', 'sw-train' or 'auto', got 'magic'"),
        ({"seed": -1}, r"seed: .*greater than or equal to 0, got -1"),
        ({"batch_size": 0}, r"batch_size: .*got 0"),
        ({"lr.dense": 0}, r"lr.dense: .*greater than 0, got 0"),
        ({"lr.dense": float("inf")}, r"lr.dense: .*finite"),
        ({"epochs": {"grow": 0}}, r"epochs.grow: must be a whole number from 1 up, or a list of them, got 0"),
        ({"epochs": {"grow": [2, 0]}}, r"epochs.grow: must be a whole number from 1 up, .*got \[2, 0\]"),
        ({"epochs": {"grow": [2]}}, r"epochs.grow has 1 numbers for 3 levels"),
        ({"augment_shift": 99}, r"augment_shift: .*got 99"),
        ({"seed": -1, "threads": 0}, r"seed: .*; threads: "),
    ],
)
def test_a_wrong_value_is_one_sentence(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(None, overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed = ", r"c.toml: not valid TOML: Invalid value"),
        (b"seed = '\xff'", r"c.toml: the config is not UTF-8 text \(byte 8\)"),
        (b"sed = 1", r"c.toml: unknown key 'sed'.*did you mean 'seed'"),
        (b"seed = 1\n[seed.x]\n", r"c.toml: not valid TOML"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path / 'no.toml'}: cannot read the config: No such")):
        load_config(tmp_path / "no.toml")


def test_an_override_cannot_reach_into_a_plain_value(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("epochs = 3\n")
    with pytest.raises(ConfigError, match="'epochs' is a section, but it is set to 3"):
        load_config(path, {"epochs.dense": 1})


def test_config_data_and_errors_load_without_torch() -> None:
    code = "import sys, swtrain.config, swtrain.errors, swtrain.datasets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
