"""The vehicles that the world knows: CARLA ids with their real sizes and plausible masses and powers.

Sizes follow CARLA's bounding boxes, so that lane geometry (how far a car can drift before it leaves its lane) agrees
with a real server; masses and powers are those of the series cars.
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.core.semantic_tags import SemanticTag


@dataclass(frozen=True, slots=True)
class VehicleModel:
    """Facts about one vehicle blueprint.

    Attributes:
        type_id: CARLA blueprint id.
        base_type: CARLA's ``base_type`` attribute (car, truck, van, bus, motorcycle, bicycle).
        half_extent_m: Half length, half width, half height.
        wheelbase_m: Distance of the axles.
        mass_kg: Mass with driver.
        power_w: Power at the wheels.
        launch_mps2: Largest acceleration that the drive train gives at low speed.
        wheels: Number of wheels.
        generation: CARLA's ``generation`` attribute.
        special_type: CARLA's ``special_type`` attribute.
        colors: Recommended colours as "r,g,b".
        tag: CARLA semantic tag.
    """

    type_id: str
    base_type: str = "car"
    half_extent_m: tuple[float, float, float] = (2.3, 0.95, 0.75)
    wheelbase_m: float = 2.8
    mass_kg: float = 1600.0
    power_w: float = 150e3
    launch_mps2: float = 4.4
    wheels: int = 4
    generation: str = "2"
    special_type: str = ""
    colors: tuple[str, ...] = ("255,255,255", "23,23,23", "134,134,139", "180,20,20", "28,53,110")
    tag: SemanticTag = SemanticTag.CAR


VEHICLES: tuple[VehicleModel, ...] = (
    VehicleModel("vehicle.lincoln.mkz_2020", "car", (2.45, 1.064, 0.755), 2.85, 1800.0, 183e3),
    VehicleModel("vehicle.tesla.model3", "car", (2.396, 1.081, 0.744), 2.88, 1845.0, 211e3, 5.0),
    VehicleModel("vehicle.audi.a2", "car", (1.853, 0.895, 0.775), 2.41, 1000.0, 66e3, 3.4, generation="1"),
    VehicleModel("vehicle.audi.etron", "car", (2.428, 1.016, 0.825), 2.93, 2595.0, 300e3, 5.0, generation="1"),
    VehicleModel("vehicle.audi.tt", "car", (2.091, 0.997, 0.693), 2.47, 1450.0, 169e3, 4.8, generation="1"),
    VehicleModel("vehicle.bmw.grandtourer", "car", (2.305, 1.121, 0.834), 2.78, 1560.0, 110e3, 3.8, generation="1"),
    VehicleModel("vehicle.chevrolet.impala", "car", (2.679, 1.017, 0.705), 2.84, 1680.0, 150e3, generation="1"),
    VehicleModel("vehicle.citroen.c3", "car", (1.994, 0.926, 0.812), 2.54, 1180.0, 81e3, 3.6, generation="1"),
    VehicleModel("vehicle.dodge.charger_2020", "car", (2.503, 1.053, 0.770), 3.05, 1850.0, 218e3),
    VehicleModel("vehicle.ford.mustang", "car", (2.359, 0.947, 0.651), 2.72, 1650.0, 231e3, 4.8, generation="1"),
    VehicleModel("vehicle.jeep.wrangler_rubicon", "car", (1.933, 0.953, 0.940), 2.42, 1900.0, 209e3, generation="1"),
    VehicleModel("vehicle.lincoln.mkz_2017", "car", (2.451, 1.064, 0.755), 2.85, 1770.0, 183e3, generation="1"),
    VehicleModel("vehicle.mercedes.coupe_2020", "car", (2.337, 1.001, 0.719), 2.84, 1690.0, 190e3),
    VehicleModel("vehicle.mini.cooper_s_2021", "car", (2.276, 1.049, 0.884), 2.57, 1360.0, 131e3),
    VehicleModel("vehicle.nissan.patrol_2021", "car", (2.783, 1.075, 1.023), 3.07, 2750.0, 298e3),
    VehicleModel("vehicle.seat.leon", "car", (2.096, 0.908, 0.737), 2.64, 1280.0, 110e3, 3.8, generation="1"),
    VehicleModel("vehicle.toyota.prius", "car", (2.257, 1.003, 0.762), 2.70, 1380.0, 90e3, 3.4, generation="1"),
    VehicleModel("vehicle.volkswagen.t2", "van", (2.240, 1.035, 1.019), 2.40, 1350.0, 51e3, 2.6, generation="1"),
    VehicleModel("vehicle.mercedes.sprinter", "van", (2.958, 0.994, 1.280), 3.66, 2500.0, 120e3, 3.0),
    VehicleModel(
        "vehicle.ford.ambulance", "van", (3.183, 1.176, 1.216), 3.90, 4000.0, 200e3, 3.0, special_type="emergency"
    ),
    VehicleModel(
        "vehicle.carlamotors.carlacola", "truck", (2.602, 1.313, 1.234), 3.30, 7500.0, 180e3, 2.0,
        tag=SemanticTag.TRUCK,
    ),
    VehicleModel(
        "vehicle.carlamotors.firetruck", "truck", (4.235, 1.446, 1.914), 4.90, 14000.0, 260e3, 1.6,
        special_type="emergency", tag=SemanticTag.TRUCK,
    ),
    VehicleModel(
        "vehicle.mitsubishi.fusorosa", "bus", (5.136, 1.972, 2.127), 4.55, 8000.0, 180e3, 1.6,
        tag=SemanticTag.BUS,
    ),
    VehicleModel(
        "vehicle.kawasaki.ninja", "motorcycle", (1.017, 0.398, 0.725), 1.41, 250.0, 1e5, 6.0, 2, "1",
        tag=SemanticTag.MOTORCYCLE,
    ),
    VehicleModel(
        "vehicle.bh.crossbike", "bicycle", (0.744, 0.43, 0.9), 1.0, 95.0, 0.4e3, 1.2, 2, "1",
        tag=SemanticTag.BICYCLE,
    ),
)  # fmt: skip

VEHICLE_BY_ID: dict[str, VehicleModel] = {model.type_id: model for model in VEHICLES}
