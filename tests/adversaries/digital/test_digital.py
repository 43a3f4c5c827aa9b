"""Digital controls: inside the ball, repeatable, and stronger with knowledge than without."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from testbed.adversaries.digital import EPSILONS, pgd, uniform_noise


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """A linear classifier of 8 x 8 px images whose best attack is known in closed form."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_perturbations_stay_in_the_ball(network: nn.Module, images: torch.Tensor, epsilon: float) -> None:
    labels = network(images).argmax(-1)
    for altered in (
        pgd(network, images, labels, epsilon=epsilon, steps=5),
        pgd(network, images, labels, epsilon=epsilon, steps=5, restarts=3),
        uniform_noise(images, epsilon=epsilon),
    ):
        assert altered.shape == images.shape and not altered.requires_grad
        assert float((altered - images).abs().max()) <= epsilon + 1e-6
        assert 0.0 <= float(altered.min()) and float(altered.max()) <= 1.0


def test_a_linear_network_is_attacked_as_well_as_it_can_be(network: nn.Module, images: torch.Tensor) -> None:
    epsilon = 4.0 / 255.0
    middle = images * 0.8 + 0.1  # no clipping, so that the best perturbation is known
    labels = network(middle).argmax(-1)
    weight = network[1].weight  # type: ignore[index]
    slope = (weight[1 - labels] - weight[labels]).view_as(middle)
    best = network(middle + epsilon * slope.sign())
    found = network(pgd(network, middle, labels, epsilon=epsilon, steps=20))

    def margin(logits: torch.Tensor) -> torch.Tensor:
        return (logits.gather(1, 1 - labels[:, None]) - logits.gather(1, labels[:, None]))[:, 0]  # type: ignore[no-any-return]

    assert torch.allclose(margin(found), margin(best), atol=1e-4)


def test_knowledge_beats_noise_and_both_repeat(network: nn.Module, images: torch.Tensor) -> None:
    labels = network(images).argmax(-1)
    loss = nn.functional.cross_entropy
    clean = loss(network(images), labels)
    attacked = pgd(network, images, labels, epsilon=8 / 255, seed=2)
    noisy = uniform_noise(images, epsilon=8 / 255, seed=2)
    assert float(loss(network(attacked), labels)) > float(loss(network(noisy), labels)) + 0.01
    assert float(loss(network(attacked), labels)) > float(clean)
    assert torch.equal(attacked, pgd(network, images, labels, epsilon=8 / 255, seed=2))
    assert torch.equal(noisy, uniform_noise(images, epsilon=8 / 255, seed=2))
    assert not torch.equal(noisy, uniform_noise(images, epsilon=8 / 255, seed=3))


def test_restarts_keep_the_best(network: nn.Module, images: torch.Tensor) -> None:
    labels = network(images).argmax(-1)
    loss = nn.functional.cross_entropy
    one = loss(network(pgd(network, images, labels, epsilon=0.02, steps=1, step_size=0.002)), labels)
    many = loss(network(pgd(network, images, labels, epsilon=0.02, steps=1, step_size=0.002, restarts=6)), labels)
    assert float(many) > float(one)
