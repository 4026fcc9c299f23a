"""The parts of `swtrain eval`: config, cache, journal, limits, baseline, JUnit, labelled inputs."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from swtrain.datasets import load_dataset
from swtrain.errors import ConfigError, DataError, OutputError
from swtrain.eval_cache import Cache, Stage
from swtrain.eval_config import BaselineSection, LimitsSection, load_eval
from swtrain.eval_gate import check_baseline, check_limits, figures, fram_bytes, read_baseline, write_baseline
from swtrain.journal import Journal
from swtrain.junit import Case, junit_xml
from swtrain.report import Report, read_report


def report(**changes: Any) -> Report:
    """Two levels with round figures; `changes` go into the denser one."""
    common: dict[str, Any] = {
        "accuracy_float": None,
        "bit_exact": True,
        "n_test": 100,
        "n_simulated": 4,
        "mismatches": 0,
        "cycles_max": 2000,
        "layers": [],
    }
    figure = {"cycles": 1000, "latency_s": 0.1, "energy_j": 1e-3, "weight_bytes": 100, "index_bytes": 10}
    sparse = {"name": "60.24", "sparsity": 60.24, "accuracy_device": 90.0, **common, **figure}
    dense = {"name": "20.7", "sparsity": 20.7, "accuracy_device": 95.0, **common, **figure, **changes}
    switch = {
        "from_": "60.24",
        "to": "20.7",
        "bytes_written": 2,
        "full_reload_bytes": 110,
        "cycles": 20,
        "latency_s": 1e-6,
        "energy_j": 1e-8,
    }
    return Report.model_validate(
        {
            "model": "net",
            "target": "msp430fr5994",
            "dataset": "mnist-subset",
            "toolchain": "zig",
            "mclk_hz": 16e6,
            "boot_cycles": 1,
            "energy_model": "fused",
            "levels": [sparse, dense],
            "switches": [switch],
            "sizes": {"code": 10, "regions": {"sram": {"used": 1}, "fram": {"used": 30}, "hifram": {"used": 12}}},
            "assumptions": [],
            "generator": "swtrain",
            "run": {"wall_s": 1.0},
        }
    )


# --- config


def config(folder: Path, text: str) -> Path:
    (folder / "eval.toml").write_text(text)
    return folder / "eval.toml"


def test_paths_are_relative_to_the_config(tmp_path: Path) -> None:
    loaded = load_eval(config(tmp_path, '[model]\nonnx = "a/net.onnx"\n[simulate]\ndataset = "t.npz"'))
    assert loaded.out == tmp_path / "build" / "eval"
    assert loaded.path("a/net.onnx") == tmp_path / "a" / "net.onnx"
    assert loaded.dataset("t.npz") == str(tmp_path / "t.npz")
    assert loaded.dataset("mnist-subset") == "mnist-subset"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "model is missing"),
        ("[model]", "has 0 of train, onnx and run"),
        ('[model]\nrun = "a"\nonnx = "b"', "has 2 of train, onnx and run"),
        ('[model]\nrun = "a"\ncolumns = true', "columns can't be set beside run"),
        ('[model]\nrun = "a"\n[emit]\nbackends = "cpu"', "did you mean 'backend'? in [emit]"),
        ('[model]\nrun = "a"\n[limits]\nmax_latency = 1', "did you mean 'max_latency_s'?"),
        ('[model]\nrun = "a"\n[limits]\nmax_latency_s = -1', "max_latency_s"),
        ('[model]\nrun = "a"\n[limits]\nmin_accuracy = 101', "min_accuracy"),
        ('[model]\nrun = "a"\n[limits.level.thin]\nmin_accuracy = 1', "'thin' is no level"),
        ('[model]\nrun = "a"\n[limits.level."9"]\nmax_cycles = 1', "unknown key 'max_cycles'"),
        (
            '[model]\nrun = "a"\n[limits]\nmax_latency_s = 0.1\n[limits.level."9"]\nmax_latency_s = 0.2',
            "contradiction: level 9 has max_latency_s = 0.2, but max_latency_s = 0.1 for all levels is stricter",
        ),
        (
            '[model]\nrun = "a"\n[limits]\nmin_accuracy = 90\n[limits.level."9"]\nmin_accuracy = 80',
            "contradiction: level 9 has min_accuracy = 80",
        ),
        (
            '[model]\nrun = "a"\n[limits.switch]\nmax_energy_j = 1\n[limits.switch.pair."9 -> 8"]\nmax_energy_j = 2',
            "contradiction: switch 9 -> 8 has max_energy_j = 2",
        ),
        ('[model]\nrun = "a"\n[limits.switch.pair."9 -> 8"]\nmax_cycles = 2', "unknown key 'max_cycles'"),
        ("[model", "not valid TOML"),
    ],
)
def test_wrong_configs(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_eval(config(tmp_path, text))
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "eval.toml"))


def test_missing_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the config"):
        load_eval(tmp_path / "none.toml")


# --- cache


def test_a_stage_is_done_once_until_options_or_outputs_change(tmp_path: Path) -> None:
    done: list[str] = []
    file = tmp_path / "made.txt"

    def stage(option: str) -> bool:
        def work() -> None:
            done.append(option)
            file.write_text(option)

        return Cache(tmp_path).run(Stage("made", ("codegen",), {"option": option}), lambda: [file], work)

    assert [stage("a"), stage("a"), stage("b"), stage("b")] == [True, False, True, False]
    file.write_text("somebody's")
    assert stage("b")
    file.unlink()
    assert stage("b")
    (tmp_path / ".eval" / "made.json").write_text("cut o")
    assert stage("b")
    assert done == ["a", "b", "b", "b", "b"]
    assert Cache(tmp_path, fresh=True).run(Stage("made", ("codegen",), {"option": "b"}), lambda: [file], lambda: None)


def test_a_stage_that_failed_or_left_nothing_is_not_recorded(tmp_path: Path) -> None:
    cache, stage, file = Cache(tmp_path), Stage("s", (), {}), tmp_path / "f"

    def fails() -> None:
        raise DataError("no")

    with pytest.raises(DataError):
        cache.run(stage, lambda: [file], fails)
    with pytest.raises(OutputError, match="left no outputs"):
        cache.run(stage, lambda: [file], lambda: None)
    assert cache.run(stage, lambda: [file], lambda: file.write_text("x") and None)


def test_keys_depend_on_options_and_sources() -> None:
    keys = {Stage(n, p, o).key for n in "ab" for p in ((), ("codegen",), ("sim",)) for o in ({}, {"x": 1}, {"x": 2})}
    assert len(keys) == 18


# --- journal


def test_journal_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    first = Journal(path, "key")
    assert first.read() == {}
    first.add(0, 0, [[1, 2]])
    first.add(1, 8, [[3, 4]])
    first.close()
    with path.open("a") as f:
        f.write("[1, 16, [[5")  # a crash in mid-line
    second = Journal(path, "key")
    assert second.read() == {(0, 0): [[1, 2]], (1, 8): [[3, 4]]}
    second.add(1, 16, [[5, 6]])
    second.close()
    assert Journal(path, "key").read() == {(0, 0): [[1, 2]], (1, 8): [[3, 4]], (1, 16): [[5, 6]]}
    other = Journal(path, "another key")
    assert other.read() == {}
    other.add(0, 0, [])
    other.close()
    assert Journal(path, "key").read() == {}


# --- limits


def limits(**values: Any) -> LimitsSection:
    return LimitsSection.model_validate(values)


@pytest.mark.parametrize(
    ("given", "failed"),
    [
        ({"max_latency_s": 0.1}, []),
        ({"max_latency_s": 0.0999}, [("level 60.24", "latency_s"), ("level 20.7", "latency_s")]),
        ({"level": {"20.70": {"max_latency_s": 0.05}}}, [("level 20.7", "latency_s")]),
        ({"min_accuracy": 92}, [("level 60.24", "accuracy")]),
        ({"max_energy_j": 1e-3, "level": {"60.24": {"max_energy_j": 9e-4}}}, [("level 60.24", "energy_j")]),
        ({"max_fram_bytes": 42}, []),
        ({"max_fram_bytes": 41}, [("program", "fram_bytes")]),
        ({"level": {"20.7": {"max_weight_bytes": 109}}}, [("level 20.7", "weight_bytes")]),
        ({"switch": {"max_bytes_written": 2, "max_latency_s": 1e-6, "max_energy_j": 1e-8}}, []),
        ({"switch": {"max_bytes_written": 1}}, [("switch 60.24 -> 20.7", "bytes_written")]),
        ({"switch": {"pair": {"60.240->20.7": {"max_energy_j": 1e-9}}}}, [("switch 60.24 -> 20.7", "energy_j")]),
        ({"switch": {"max_bytes_written": 2, "pair": {"60.24 -> 20.7": {"max_bytes_written": 2}}}}, []),
    ],
)
def test_limits(given: dict[str, Any], failed: list[tuple[str, str]]) -> None:
    checks = check_limits(report(), limits(**given))
    assert [(c.where, c.what) for c in checks if not c.passed] == failed
    assert checks
    assert all("the limit is" in c.sentence for c in checks)


def test_limits_of_unknown_or_doubled_levels() -> None:
    with pytest.raises(ConfigError, match=r"no level '30'; there are 60.24, 20.7"):
        check_limits(report(), limits(level={"30": {"min_accuracy": 1}}))
    for wrong in ("60.24", "60.24 -> 60.24", "60.24 -> 3", "a -> b"):
        with pytest.raises(ConfigError, match="is no switch; write FROM -> TO"):
            check_limits(report(), limits(switch={"pair": {wrong: {"max_energy_j": 1}}}))
    with pytest.raises(ConfigError, match="stands there twice"):
        check_limits(report(), limits(switch={"pair": {"60.24->20.7": {}, "60.24 -> 20.70": {}}}))
    with pytest.raises(ConfigError, match="are the same level"):
        check_limits(report(), limits(level={"20.7": {"min_accuracy": 1}, "20.70": {"min_accuracy": 2}}))


# --- baseline


def test_fram_counts_code_and_weights_on_the_chip() -> None:
    assert fram_bytes(report()) == 42


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, []),
        ({"cycles": 1010, "energy_j": 1.01e-3, "accuracy_device": 94.9}, []),
        ({"cycles": 900, "energy_j": 5e-4, "accuracy_device": 99.0, "weight_bytes": 90}, []),
        ({"cycles": 1011}, ["cycles"]),
        ({"energy_j": 1.02e-3}, ["energy_j"]),
        ({"accuracy_device": 94.8}, ["accuracy"]),
        ({"weight_bytes": 101}, ["weight_bytes"]),
        ({"index_bytes": 11}, ["index_bytes"]),
    ],
)
def test_regressions_fail(tmp_path: Path, changes: dict[str, Any], failed: list[str]) -> None:
    write_baseline(report(), tmp_path / "b.json")
    checks = check_baseline(report(**changes), read_baseline(tmp_path / "b.json"), BaselineSection())
    assert [c.what for c in checks if not c.passed] == failed
    assert len(checks) == sum(map(len, figures(report()).values()))


def test_figures_that_appear_or_vanish_fail(tmp_path: Path) -> None:
    write_baseline(report(), tmp_path / "b.json")
    stored = read_baseline(tmp_path / "b.json")
    stored["figures"]["switch 60.24 -> 1"] = stored["figures"].pop("switch 60.24 -> 20.7")
    checks = check_baseline(report(), stored, BaselineSection())
    wrong = {c.where for c in checks if not c.passed}
    assert wrong == {"switch 60.24 -> 1", "switch 60.24 -> 20.7"}
    assert all("baseline" in c.sentence for c in checks)


def test_baselines_of_another_setting_are_refused(tmp_path: Path) -> None:
    write_baseline(report(), tmp_path / "b.json")
    stored = read_baseline(tmp_path / "b.json")
    stored["setting"]["inputs"] = 9
    with pytest.raises(ConfigError, match="inputs 9 instead of 4"):
        check_baseline(report(), stored, BaselineSection())


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"format": 2}', '{"format":1,"figures":{"a":{"b":"c"}}}'])
def test_damaged_baselines(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "b.json").write_text(text)
    with pytest.raises(ConfigError, match="--update-baseline"):
        read_baseline(tmp_path / "b.json")


def test_reports_can_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(report().to_json())
    assert read_report(tmp_path / "r.json") == report()
    for text in ("", "[]", "{}", '{"schema": 99}', report().to_json().replace('"levels"', '"level"')):
        (tmp_path / "r.json").write_text(text)
        with pytest.raises(ConfigError, match="swtrain eval"):
            read_report(tmp_path / "r.json")


# --- JUnit


def test_junit() -> None:
    text = junit_xml("net", [Case("limits", "a < b"), Case("limits", 'c "d"', "too\nlarge & <slow>")])
    root = ElementTree.fromstring(text)
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    cases = list(root.iter("testcase"))
    assert [c.get("name") for c in cases] == ["a < b", 'c "d"']
    assert [c.find("failure") is not None for c in cases] == [False, True]
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.text == "too\nlarge & <slow>"


# --- labelled inputs


def test_labelled_inputs(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(0, 1, (5, 1, 4, 4))
    np.savez(tmp_path / "t.npz", x=x, y=np.arange(5))
    made = load_dataset(str(tmp_path / "t.npz"))
    assert made.test.x.dtype == np.float32
    assert len(made.test) == 5
    assert len(made.train) == 0
    assert made.name == "t.npz"
    with pytest.raises(ConfigError, match="leave the folder out"):
        load_dataset(str(tmp_path / "t.npz"), str(tmp_path))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((2, 3))}, "lacks the array"),
        ({"x": np.zeros((2, 3)), "y": np.zeros(3, int)}, "one per input"),
        ({"x": np.zeros((2, 3)), "y": np.zeros(2)}, "whole numbers"),
        ({"x": np.full((2, 3), np.nan), "y": np.zeros(2, int)}, "NaN"),
        ({"x": np.zeros((0, 3)), "y": np.zeros(0, int)}, "real numbers"),
        ({"x": np.array([["a"]]), "y": np.zeros(1, int)}, "real numbers"),
        ({"x": np.zeros((2, 3)), "y": np.array([0, -1])}, "count from 0"),
    ],
)
def test_wrong_labelled_inputs(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_dataset(str(tmp_path / "t.npz"))
    with pytest.raises(DataError, match="does not exist"):
        load_dataset(str(tmp_path / "none.npz"))


def test_reports_say_what_json_says() -> None:
    assert json.loads(report().to_json())["switches"][0]["from"] == "60.24"
