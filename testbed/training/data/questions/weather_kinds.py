"""Questions about weather and light, answered by CARLA's weather parameters.

Where a picture's weather is not known all comparisons fail and there is no answer.
"""

from __future__ import annotations

from testbed.training.data.questions.kind import YES_NO, Facts, QuestionKind, weather

RAIN_FROM, FOG_FROM, NO_FOG_UP_TO = 20.0, 25.0, 8.0
CLOUDY_FROM, CLEAR_UP_TO = 65.0, 20.0
WET_FROM = 50.0
"""From or up to which value of CARLA's parameter, in its percent, a word is surely right."""
DAYLIGHT_FROM_DEG = 5.0
"""Sun above the horizon with which the sky can be judged."""
DAY_FROM_DEG, DUSK_DEG, NIGHT_UP_TO_DEG = 14.0, (-5.0, 4.0), -8.0
SHADOWS_DEG, SHADOWS_CLOUDS_UP_TO = (4.0, 50.0), 40.0
"""Sun above the horizon and cloudiness with which shadows tell where it stands."""
SIDE_WITHIN_DEG = 35.0
"""The sun is ahead, behind or at a side when it is this close to that direction."""

_WEATHERS = ("clear", "cloudy", "rain", "fog")
_TIMES = ("day", "dusk", "night")
_SUN = ("ahead", "to the right", "behind", "to the left")


def _weather(facts: Facts) -> str | None:
    now = weather(facts)
    if not now["sun_altitude_angle"] >= DAYLIGHT_FROM_DEG:
        return None
    if now["precipitation"] >= RAIN_FROM:
        return "rain"
    if now["precipitation"] > 0.0:
        return None
    if now["fog_density"] >= FOG_FROM:
        return "fog"
    if not now["fog_density"] <= NO_FOG_UP_TO:
        return None
    if now["cloudiness"] <= CLEAR_UP_TO:
        return "clear"
    return "cloudy" if now["cloudiness"] >= CLOUDY_FROM else None


def _graded(value: float, yes_from: float, no_up_to: float) -> str | None:
    return "yes" if value >= yes_from else "no" if value <= no_up_to else None


def _raining(facts: Facts) -> str | None:
    return _graded(weather(facts)["precipitation"], RAIN_FROM, 0.0)


def _foggy(facts: Facts) -> str | None:
    now = weather(facts)
    # Rain is a veil of its own: whether there is fog behind it can hardly be told.
    return _graded(now["fog_density"], FOG_FROM, NO_FOG_UP_TO) if now["precipitation"] == 0.0 else None


def _wet(facts: Facts) -> str | None:
    now = weather(facts)
    if not now["sun_altitude_angle"] >= DAYLIGHT_FROM_DEG:
        return None
    film = max(now["wetness"], now["precipitation"], now["precipitation_deposits"])
    return _graded(film, WET_FROM, 0.0)


def _time(facts: Facts) -> str | None:
    altitude_deg = weather(facts)["sun_altitude_angle"]
    if altitude_deg >= DAY_FROM_DEG:
        return "day"
    if altitude_deg <= NIGHT_UP_TO_DEG:
        return "night"
    return "dusk" if DUSK_DEG[0] <= altitude_deg <= DUSK_DEG[1] else None


def _sun(facts: Facts) -> str | None:
    now = weather(facts)
    clear = now["cloudiness"] <= SHADOWS_CLOUDS_UP_TO and now["fog_density"] <= NO_FOG_UP_TO
    if not clear or not SHADOWS_DEG[0] <= now["sun_altitude_angle"] <= SHADOWS_DEG[1]:
        return None
    # Azimuth and yaw both grow from +x towards +y, which is to the right of a car that heads along +x.
    clockwise_deg = (now["sun_azimuth_angle"] - float(facts["pose"][4])) % 360.0
    quarter = round(clockwise_deg / 90.0) % 4
    off_deg = abs((clockwise_deg - 90.0 * quarter + 180.0) % 360.0 - 180.0)
    return _SUN[quarter] if off_deg <= SIDE_WITHIN_DEG else None


WEATHER_KINDS: tuple[QuestionKind, ...] = (
    QuestionKind(
        "weather",
        "view",
        "What is the weather like?",
        (
            "Is the weather clear, cloudy, rainy or foggy?",
            "Describe the weather in one word.",
            "Which weather do you drive in?",
            "How is the weather?",
            "What weather do you see?",
        ),
        ("Tell me about the weather.", "What weather conditions are there?"),
        _WEATHERS,
        ("weather",),
        _weather,
    ),
    QuestionKind(
        "raining",
        "view",
        "Is it raining?",
        ("Does it rain?", "Do you see rain?", "Is rain falling?", "Are there raindrops in the air?"),
        ("Is there any rain at the moment?",),
        YES_NO,
        ("weather",),
        _raining,
    ),
    QuestionKind(
        "foggy",
        "view",
        "Is it foggy?",
        ("Do you see fog?", "Is there fog ahead?", "Is the view hidden by fog?", "Does fog lie over the road?"),
        ("Is fog reducing how far you see?",),
        YES_NO,
        ("weather",),
        _foggy,
    ),
    QuestionKind(
        "wet_road",
        "view",
        "Is the road wet?",
        ("Does the road shine with water?", "Is there water on the road?", "Is the asphalt wet?",
         "Do you drive on a wet road?"),
        ("Has the road surface become wet?",),
        YES_NO,
        ("weather",),
        _wet,
    ),
    QuestionKind(
        "time_of_day",
        "view",
        "Is it day, dusk or night?",
        (
            "What time of day is it?",
            "How light is it: day, dusk or night?",
            "Do you drive by day, at dusk or at night?",
            "Which time of day does the picture show?",
        ),
        ("At which time of day was this seen?",),
        _TIMES,
        ("weather",),
        _time,
    ),
    QuestionKind(
        "sun",
        "view",
        "Where does the sun stand?",
        (
            "From which side does the sun shine?",
            "Is the sun ahead, behind, to the left or to the right?",
            "On which side of the car is the sun?",
            "Where does the sunlight come from?",
        ),
        ("Relative to the car, in which direction is the sun?",),
        _SUN,
        ("weather", "pose"),
        _sun,
    ),
)  # fmt: skip
