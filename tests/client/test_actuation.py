from __future__ import annotations

import pytest

from testbed.client.actuation import PedalController, PedalModel


def test_feed_forward_inverts_the_model() -> None:
    model = PedalModel()
    throttle, brake = model.pedals(1.0, 20.0)
    force = throttle * min(model.drive_n, model.power_w / 20.0) - brake * model.brake_n
    assert force / model.mass_kg - model.rolling_mps2 - model.drag_kgpm * 400.0 / model.mass_kg == pytest.approx(1.0)
    assert brake == 0.0
    assert model.pedals(-6.0, 20.0)[0] == 0.0 and 0.5 < model.pedals(-6.0, 20.0)[1] < 0.7


def test_integral_makes_up_for_a_heavier_vehicle() -> None:
    model, heavy = PedalModel(), PedalModel(mass_kg=2600.0)
    pedals, speed, acceleration = PedalController(model, 0.05), 10.0, 0.0
    for _ in range(200):
        throttle, brake = pedals(0.8, acceleration, 10.0)
        force = throttle * min(heavy.drive_n, heavy.power_w / speed) - brake * heavy.brake_n
        acceleration = force / heavy.mass_kg - heavy.rolling_mps2 - heavy.drag_kgpm * speed**2 / heavy.mass_kg
    assert acceleration == pytest.approx(0.8, abs=0.05)


def test_standing_still_holds_the_brake() -> None:
    assert PedalController(PedalModel(), 0.05)(-0.5, 0.0, 0.0) == (0.0, PedalController.HOLD_BRAKE)
