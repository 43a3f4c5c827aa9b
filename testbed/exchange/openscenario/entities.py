"""Who is on the road of an OpenSCENARIO file: the ego, and what else can be spawned here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from testbed.exchange.imported import identifier
from testbed.exchange.reading import Reading
from testbed.world.maps.xml_reader import XmlElement

EGO_NAMES = ("ego", "hero", "ego_vehicle", "egovehicle")

EGO_BLUEPRINT = "vehicle.lincoln.mkz_2020"
CATEGORIES = {
    "car": "vehicle.tesla.model3",
    "van": "vehicle.mercedes.sprinter",
    "truck": "vehicle.carlamotors.carlacola",
    "bus": "vehicle.mitsubishi.fusorosa",
    "motorbike": "vehicle.kawasaki.ninja",
    "bicycle": "vehicle.bh.crossbike",
}
"""What a vehicle whose name is no blueprint is driven as."""
WALKER = "walker.pedestrian.0001"


@dataclass(frozen=True, slots=True)
class Entity:
    """A road user.

    Attributes:
        name: As the file has it.
        key: As a scenario has it.
        blueprint: What is spawned.
        element: Where it is declared.
    """

    name: str
    key: str
    blueprint: str
    element: XmlElement

    @property
    def walks(self) -> bool:
        """Whether it is a pedestrian."""
        return self.blueprint.startswith("walker.")


def read_entities(reading: Reading, blueprints: Collection[str]) -> tuple[Entity, list[Entity]]:
    """Return the ego and the others.

    Raises:
        ScenarioError: There is no vehicle, or it is not said which one is the ego.
    """
    holder = reading.child(reading.root, "Entities")
    objects = list(holder.all("ScenarioObject")) if holder is not None else []
    vehicles = [one for one in objects if one.child("Vehicle") or one.child("CatalogReference")]
    egos = [one for one in objects if _is_ego(one)]
    for one in egos:
        if one not in vehicles:
            raise reading.error(f"the ego {one.string('name')!r} is no vehicle", one, "agents drive vehicles")
    if not egos and len(vehicles) == 1:
        egos = vehicles
    if len(egos) != 1:
        names = ", ".join(one.string("name") for one in vehicles) or "none"
        what = "no vehicle is" if not egos else f"{len(egos)} vehicles are"
        raise reading.error(
            f"{what} known as the ego (vehicles: {names})",
            holder or reading.root,
            "name one Ego or hero, or give it <Property name='type' value='ego_vehicle'/>",
        )
    ego = _entity(reading, egos[0], blueprints, ego=True)
    assert ego is not None, "an ego is a vehicle, or taken for one"
    others: list[Entity] = []
    for one in objects:
        entity = None if one is egos[0] else _entity(reading, one, blueprints, ego=False)
        if entity is not None:
            others.append(_unique(entity, others))
    return ego, others


def _is_ego(entity: XmlElement) -> bool:
    if entity.string("name").lower() in EGO_NAMES:
        return True
    vehicle = entity.child("Vehicle")
    properties = vehicle.child("Properties") if vehicle is not None else None
    return properties is not None and any(
        (one.attributes.get("name"), one.attributes.get("value")) == ("type", "ego_vehicle")
        for one in properties.all("Property")
    )


def _entity(reading: Reading, element: XmlElement, blueprints: Collection[str], *, ego: bool) -> Entity | None:
    """Return a road user; None for what is none, which is noted."""
    reading.use(element)
    name = element.string("name")
    vehicle, walker = element.child("Vehicle"), element.child("Pedestrian")
    reference = element.child("CatalogReference")
    if vehicle is not None:
        usual = EGO_BLUEPRINT if ego else CATEGORIES.get(vehicle.string("vehicleCategory", "car"), "")
        blueprint = _blueprint(reading, vehicle, ("name", "model3d"), usual, blueprints)
    elif walker is not None:
        blueprint = _blueprint(reading, walker, ("model", "name", "model3d"), WALKER, blueprints)
    elif reference is not None:
        walks = "pedestrian" in reference.string("catalogName", "").lower() and not ego
        blueprint = EGO_BLUEPRINT if ego else WALKER if walks else CATEGORIES["car"]
        reading.leave(reference, f"catalogues are not read; it is a {blueprint}")
    else:
        blueprint = ""
    if not blueprint:
        reading.leave(element, "only vehicles on wheels and pedestrians can be put on a road here")
        return None
    return Entity(name, identifier(name, "actor"), blueprint, element)


def _blueprint(
    reading: Reading, element: XmlElement, names: tuple[str, ...], usual: str, blueprints: Collection[str]
) -> str:
    said = [element.attributes[name] for name in names if element.attributes.get(name)]
    sort = "walker" if element.tag == "Pedestrian" else "vehicle"
    known = next((name for name in said if name in blueprints and name.startswith(f"{sort}.")), None)
    if known is None and usual:
        reading.leave(element, f"{said[0] if said else 'it'} is no blueprint here; it is a {usual}")
    else:
        reading.use_whole(element)  # a blueprint has size, wheels and looks of its own
    return known or usual


def _unique(entity: Entity, others: list[Entity]) -> Entity:
    key, number = entity.key, 2
    while key in {one.key for one in others}:
        key, number = f"{entity.key[:44]}_{number}", number + 1
    return Entity(entity.name, key, entity.blueprint, entity.element)
