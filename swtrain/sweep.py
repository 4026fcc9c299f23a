"""`swtrain sweep`: many trainings of one config, some settings varied, and the front of the best.

Comes in: a config, what to vary, a folder. Goes out: a study with two objectives, the mean accuracy of all levels on
held-out data (more is better) and a cost (less is better), and the runs that no other one beats in both. The study is a
journal file that several processes and machines can share: each takes the next trial. Runs off the front keep their
figures and lose their weights.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.target import load_target

from .config import TrainConfig, parse_config
from .deploy import predict_cycles
from .errors import ConfigError
from .export import export_run
from .progress import Progress
from .runs import CHECKPOINT, EXPORTED, MODEL, load_run, write_json
from .train import train

if TYPE_CHECKING:
    import optuna

STUDY, RESULT = "study.journal", "sweep.json"
COSTS = ("weights", "latency")
NAME = "swtrain"


@dataclass(frozen=True)
class Choice:
    """One setting that varies.

    Attributes:
        key: of the config, dotted; a number is a position in a list: `levels.0`.
        values: the alternatives as written, empty for a range.
        low, high: the range, both included.
        whole: the range has whole numbers only.
    """

    key: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False

    def suggest(self, trial: optuna.Trial) -> str | int | float:
        """A value for `trial`."""
        if self.values:
            return str(trial.suggest_categorical(self.key, self.values))
        if self.whole:
            return trial.suggest_int(self.key, int(self.low), int(self.high))
        return trial.suggest_float(self.key, self.low, self.high)


@dataclass(frozen=True)
class Result:
    """One finished trial.

    Attributes:
        number: of the trial; its run lies in `trials/<number>`.
        params: what was varied.
        accuracy: mean of all levels on held-out data, percent.
        cost: mean of all levels: weights, or predicted seconds.
        front: no other trial is at least as good in both and better in one.
    """

    number: int
    params: dict[str, Any]
    accuracy: float
    cost: float
    front: bool


def parse_choice(text: str) -> Choice:
    """`shape=column|row` or `levels.0=80:98` (whole numbers if both ends are).

    Raises:
        ConfigError: it is neither.
    """
    key, equals, values = text.partition("=")
    if not equals or not key or not values:
        raise ConfigError(f"--vary {text}: give KEY=A|B|C or KEY=LOW:HIGH")
    ends = re.fullmatch(r"(-?[\d.]+(?:e-?\d+)?):(-?[\d.]+(?:e-?\d+)?)", values)
    if ends is None:
        return Choice(key, tuple(values.split("|")))
    try:
        low, high = float(ends[1]), float(ends[2])
    except ValueError:
        raise ConfigError(f"--vary {text}: {values} is no range of numbers") from None
    if not low < high:
        raise ConfigError(f"--vary {text}: the range is empty; the first number must be the smaller one")
    return Choice(key, (), low, high, not re.search(r"[.e]", values))


def varied(config: TrainConfig, params: Mapping[str, Any]) -> TrainConfig:
    """`config` with some settings replaced.

    Raises:
        ConfigError: a key does not exist, or a value is not allowed.
    """
    values = copy.deepcopy(config.to_dict())
    for key, value in params.items():
        *path, last = key.split(".")
        inner: Any = values
        try:
            for part in path:
                inner = inner[int(part)] if isinstance(inner, list) else inner[part]
            if isinstance(inner, list):
                inner[int(last)] = value
            elif path and last not in inner:
                raise KeyError(last)
            else:
                inner[last] = value
        except (KeyError, IndexError, ValueError, TypeError):
            raise ConfigError(f"--vary {key}: the config has no such setting") from None
    return parse_config(values, "--vary")


def sweep(
    config: TrainConfig, choices: Sequence[Choice], out: Path, trials: int, cost: str, progress: Progress
) -> list[Result]:
    """Train `trials` more trials of the study in `out`.

    Args:
        config: what all trials share.
        choices: what varies.
        out: folder of the study; another process may work on it at the same time.
        trials: how many this call adds.
        cost: `weights` or `latency`.
        progress: shows each training.

    Returns:
        All finished trials of the study, by number.

    Raises:
        ConfigError: nothing is held out, a key or a cost does not exist, or optuna is missing.
        DataError, OutputError: as `train`.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise ConfigError("swtrain sweep needs optuna: pip install 'swtrain[train]'") from error
    if cost not in COSTS:
        raise ConfigError(f"cost {cost!r} is unknown; choose {' or '.join(COSTS)}")
    if config.validation == 0:
        raise ConfigError("sweep compares accuracy on held-out examples, but validation is 0; hold some out")
    if not choices:
        raise ConfigError("nothing varies; give --vary, such as --vary shape=column|unstructured")
    for choice in choices:
        if choice.values:
            varied(config, {choice.key: choice.values[0]})
    out.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=NAME,
        storage=JournalStorage(JournalFileBackend(str(out / STUDY))),
        sampler=optuna.samplers.TPESampler(seed=config.seed),
        directions=["maximize", "minimize"],
        load_if_exists=True,
    )

    def one(trial: optuna.Trial) -> tuple[float, float]:
        params = {choice.key: choice.suggest(trial) for choice in choices}
        shown = ", ".join(f"{key}={value}" for key, value in params.items())
        progress.note(f"trial {trial.number}: {shown}")
        try:
            settings = varied(config, params)
        except ConfigError as error:  # such as levels in the wrong order
            progress.note(f"trial {trial.number}: left out: {error}")
            raise optuna.TrialPruned(str(error)) from error
        return _train(settings, out / "trials" / str(trial.number), cost, progress)

    def keep_front(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        results = _results(study)
        write_json(out / RESULT, {"cost": cost, "trials": [vars(result) for result in results]})
        for result in results:
            if not result.front:
                _drop_weights(out / "trials" / str(result.number))

    study.optimize(one, n_trials=trials, callbacks=[keep_front])
    return _results(study)


def _train(config: TrainConfig, out: Path, cost: str, progress: Progress) -> tuple[float, float]:
    """Mean accuracy on held-out data and mean cost of the levels of one run."""
    train(config, out, progress=progress)
    nested, _, metrics = load_run(out)
    accuracy = sum(level["accuracy_held_out"] for level in metrics["levels"]) / len(metrics["levels"])
    if cost == "weights":
        return accuracy, sum(nested.nnz(k) for k in range(nested.num_levels)) / nested.num_levels
    board = load_target(config.board)
    cycles = predict_cycles(export_run(out), board)
    return accuracy, sum(cycles) / len(cycles) / board.mclk_hz


def _results(study: optuna.Study) -> list[Result]:
    from optuna.trial import TrialState

    front = {trial.number for trial in study.best_trials}
    done = study.get_trials(states=(TrialState.COMPLETE,))
    return [Result(t.number, dict(t.params), t.values[0], t.values[1], t.number in front) for t in done]


def _drop_weights(run: Path) -> None:
    for name in (MODEL, CHECKPOINT, *EXPORTED):
        (run / name).unlink(missing_ok=True)
    for exported in (run / "onnx").glob("*.onnx"):
        exported.unlink()
