"""Optimisers and schedules against their formulas."""

import math

import pytest
import torch
from torch import Tensor, nn

from swtrain.errors import ConfigError
from swtrain.optim import OPTIMIZERS, SCHEDULES, learning_rate, make_optimizer, plateaus

GRADIENTS = torch.tensor([[1.0, -2.0, 0.5], [-1.0, -1.0, 0.5], [0.25, 3.0, -4.0], [1.0, 1.0, 1.0]]).double()
LR = 0.1


def steps(name: str, **options: object) -> Tensor:
    """Weights after each of the gradients, from 1, 2, 3."""
    weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]).double())
    optimizer = make_optimizer(name, [weight], options=options)
    seen = []
    for gradient in GRADIENTS:
        optimizer.param_groups[0]["lr"] = LR
        weight.grad = gradient.clone()
        optimizer.step()
        seen.append(weight.detach().clone())
    return torch.stack(seen)


def by_hand(name: str) -> Tensor:
    """The same from the published formulas, element by element."""
    w, out = [1.0, 2.0, 3.0], []
    m, v, u = [0.0] * 3, [0.0] * 3, [0.0] * 3
    product = 1.0
    norm2 = 0.0
    for t, gradient in enumerate(GRADIENTS.tolist(), start=1):
        mu, mu_next = 0.9 * (1 - 0.5 * 0.96 ** (t * 0.004)), 0.9 * (1 - 0.5 * 0.96 ** ((t + 1) * 0.004))
        product *= mu
        total = sum(g * g for g in gradient)
        norm2 = total if t == 1 else 0.5 * norm2 + 0.5 * total
        for i, g in enumerate(gradient):
            match name:
                case "sgd":
                    w[i] -= LR * g
                case "momentum" | "nesterov":
                    m[i] = g if t == 1 else 0.9 * m[i] + g
                    w[i] -= LR * (m[i] if name == "momentum" else g + 0.9 * m[i])
                case "adagrad":
                    v[i] += g * g
                    w[i] -= LR * g / (math.sqrt(v[i]) + 1e-10)
                case "adadelta":
                    v[i] = 0.9 * v[i] + 0.1 * g * g
                    delta = math.sqrt(u[i] + 1e-6) / math.sqrt(v[i] + 1e-6) * g
                    u[i] = 0.9 * u[i] + 0.1 * delta * delta
                    w[i] -= LR * delta
                case "rmsprop":
                    v[i] = 0.99 * v[i] + 0.01 * g * g
                    w[i] -= LR * g / (math.sqrt(v[i]) + 1e-8)
                case "adam" | "adamw" | "nadam":
                    m[i], v[i] = 0.9 * m[i] + 0.1 * g, 0.999 * v[i] + 0.001 * g * g
                    root = math.sqrt(v[i] / (1 - 0.999**t)) + 1e-8
                    if name == "nadam":
                        ahead = mu_next * m[i] / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
                        w[i] -= LR * ahead / root
                    else:
                        w[i] -= LR * m[i] / (1 - 0.9**t) / root
                case "adamax":
                    m[i], u[i] = 0.9 * m[i] + 0.1 * g, max(0.999 * u[i], abs(g) + 1e-8)
                    w[i] -= LR / (1 - 0.9**t) * m[i] / u[i]
                case "powersign" | "addsign":
                    m[i] = 0.9 * m[i] + 0.1 * g
                    agree = math.copysign(1, g) * math.copysign(1, m[i])
                    w[i] -= LR * (math.e**agree if name == "powersign" else 1 + agree) * g
        out.append(list(w))
    return torch.tensor(out).double()


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"novograd"}))
def test_optimisers_follow_their_formulas(name: str) -> None:
    options = {"weight_decay": 0.0} if name == "adamw" else {}
    assert torch.allclose(steps(name), by_hand(name), rtol=1e-5, atol=1e-7), options


def test_novograd_normalises_by_the_norm_of_the_layer() -> None:
    """Jasper's form: v is the squared norm of the whole layer's gradient, m the mean of normalised gradients."""
    pytest.importorskip("pytorch_optimizer")
    weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    optimizer = make_optimizer("novograd", [weight])
    optimizer.param_groups[0]["lr"] = LR
    weight.grad = torch.tensor([3.0, 0.0, 4.0])
    optimizer.step()
    moved = torch.tensor([1.0, 2.0, 3.0]) - weight.detach()
    assert moved / moved[0] == pytest.approx([1.0, 0.0, 4 / 3], rel=1e-4)  # along the gradient
    assert moved[1] == 0


def test_options_reach_the_optimiser_and_wrong_ones_are_named() -> None:
    assert make_optimizer("adam", [nn.Parameter(torch.ones(1))], options={"betas": [0.5, 0.6]}).defaults["betas"] == (
        0.5,
        0.6,
    )
    assert not torch.equal(steps("powersign", base=2.0), steps("powersign"))
    with pytest.raises(ConfigError, match=r"optimizer_options: sgd refuses \{'beta': 1\}.*momentum"):
        make_optimizer("sgd", [nn.Parameter(torch.ones(1))], options={"beta": 1})
    with pytest.raises(ConfigError, match="lr has a setting of its own"):
        make_optimizer("sgd", [nn.Parameter(torch.ones(1))], options={"lr": 1})
    with pytest.raises(ConfigError, match="beta must be at least 0 and below 1"):
        make_optimizer("addsign", [nn.Parameter(torch.ones(1))], options={"beta": 1.0})


def rates(schedule: str, **options: float) -> list[float]:
    return [learning_rate(schedule, 2.0, step / 140, **options) for step in range(141)]  # type: ignore[arg-type]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_never_exceed_their_peak(schedule: str) -> None:
    assert max(rates(schedule)) == pytest.approx(2)
    assert min(rates(schedule)) >= 0


def test_schedules_follow_their_formulas() -> None:
    assert set(rates("constant")) == {2.0}
    assert rates("cosine") == pytest.approx([1 + math.cos(math.pi * step / 140) for step in range(141)])
    assert [rates("one-cycle")[step] for step in (0, 14, 28, 84, 140)] == pytest.approx([0.2, 1.1, 2, 1, 0])
    assert [rates("power")[step] for step in (0, 14, 140)] == pytest.approx([2, 1, 2 / 11])
    assert [rates("exponential")[step] for step in (0, 70, 140)] == pytest.approx([2, 0.2, 0.02])
    restarts = rates("cosine-restarts")
    assert [restarts[step] for step in (0, 10, 20, 40, 60, 100, 140)] == pytest.approx([2, 1, 2, 1, 2, 1, 0])
    assert rates("plateau", plateaus_seen=3) == [0.25] * 141


def test_a_warmup_rises_linearly_and_the_rest_follows() -> None:
    found = rates("cosine", warmup=0.5)
    assert [found[step] for step in (0, 35, 70, 105, 140)] == pytest.approx([0.2, 1.1, 2, 1, 0])


@pytest.mark.parametrize(
    ("accuracies", "patience", "count"),
    [([], 2, 0), ([1, 2, 3], 1, 0), ([3, 2, 1], 2, 1), ([3, 2, 1, 0, 0], 2, 2), ([3, 2, 4, 4, 4], 2, 1)],
)
def test_plateaus_are_counted(accuracies: list[float], patience: int, count: int) -> None:
    assert plateaus(accuracies, patience) == count
