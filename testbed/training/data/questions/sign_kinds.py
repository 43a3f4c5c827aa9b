"""Questions about the crop of a sign; every answer follows from the sign's class."""

from __future__ import annotations

from collections.abc import Callable

from testbed.core.gtsrb import NO_ENTRY, SIGN_NAMES, SPEED_LIMIT_KMH, STOP, YIELD
from testbed.core.perception_tasks import PROMPTS
from testbed.training.data.questions.kind import YES_NO, Facts, QuestionKind

RIGHT_OF_WAY, PRIORITY_ROAD = 11, 12
ENDS = frozenset({6, 32, 41, 42})
WARNINGS = frozenset(range(18, 32))
MANDATORY = frozenset(range(33, 41))
FOR_TRUCKS = frozenset({10, 16, 42})
NO_LIMIT = "it states no speed limit"

_CATEGORIES = ("prohibition", "warning", "mandatory", "priority", "end of a restriction")
_DIRECTIONS: dict[int, str] = {
    19: "left",
    20: "right",
    33: "right",
    34: "left",
    35: "straight ahead",
    36: "straight ahead or right",
    37: "straight ahead or left",
    38: "right",
    39: "left",
}
_RIGHTS_OF_WAY = ("you have the right of way", "the others have the right of way", "the sign does not say")
_LIMITS = {number: f"{round(limit)} km/h" for number, limit in SPEED_LIMIT_KMH.items()}


def category(class_id: int) -> str:
    """Return which of the five families of signs a class belongs to."""
    if class_id in ENDS:
        return "end of a restriction"
    if class_id in WARNINGS:
        return "warning"
    if class_id in MANDATORY:
        return "mandatory"
    return "priority" if class_id in (RIGHT_OF_WAY, PRIORITY_ROAD, YIELD, STOP) else "prohibition"


def shape(class_id: int) -> str:
    """Return the outline of the plate."""
    if class_id == RIGHT_OF_WAY or class_id in WARNINGS:
        return "a triangle"
    special = {PRIORITY_ROAD: "a diamond", YIELD: "a triangle on its tip", STOP: "an octagon"}
    return special.get(class_id, "round")


def ground_colour(class_id: int) -> str:
    """Return the colour of the ground that the symbol stands on."""
    if class_id in MANDATORY:
        return "blue"
    return {STOP: "red", NO_ENTRY: "red", PRIORITY_ROAD: "yellow"}.get(class_id, "white")


def _rim(class_id: int) -> str | None:
    if class_id in (STOP, NO_ENTRY):
        return None  # red throughout, with a white edge: who asks about a rim may mean either
    return "yes" if category(class_id) in ("prohibition", "warning") or class_id in (RIGHT_OF_WAY, YIELD) else "no"


def _right_of_way(class_id: int) -> str:
    if class_id in (RIGHT_OF_WAY, PRIORITY_ROAD):
        return _RIGHTS_OF_WAY[0]
    return _RIGHTS_OF_WAY[1] if class_id in (YIELD, STOP) else _RIGHTS_OF_WAY[2]


def _yes(found: bool) -> str:
    return "yes" if found else "no"


def _of_class(tell: Callable[[int], str | None]) -> Callable[[Facts], str | None]:
    return lambda facts: tell(int(facts["class_id"]))


def _kind(
    name: str,
    wording: str,
    paraphrases: tuple[str, ...],
    held_out: tuple[str, ...],
    answers: tuple[str, ...],
    tell: Callable[[int], str | None],
) -> QuestionKind:
    return QuestionKind(
        name, "sign", wording, paraphrases, held_out, answers, ("class_id",), _of_class(tell), only_there=True
    )


SIGN = _kind(
    "sign",
    PROMPTS["tsr"],
    (
        "Which traffic sign is this?",
        "What traffic sign do you see?",
        "Name the sign in the picture.",
        "What does this road sign say?",
        "Tell me which sign this is.",
        "What is the meaning of this sign?",
        "Recognize the traffic sign.",
        "Classify this sign.",
        "Which road sign is shown here?",
        "What sign is it?",
        "Read the traffic sign.",
        "What kind of traffic sign stands here?",
        "Give the name of this traffic sign.",
        "Look at the sign and say which one it is.",
        "Which sign do you have before you?",
        "How is this sign called?",
        "To which class does this traffic sign belong?",
        "Say which traffic sign you see.",
        "What is the name of the sign in this photo?",
        "The picture shows a sign. Which one?",
        "What does this sign tell the driver?",
        "Can you tell which sign this is?",
        "Do you know this sign? Name it.",
        "What does the sign in the picture stand for?",
        "Say what class this sign is of.",
        "Which one of the traffic signs was photographed?",
    ),
    (
        "Can you identify the sign shown in the image?",
        "Which sign has been photographed here?",
        "State the class of the traffic sign.",
        "What is this sign called?",
        "Name the traffic sign you see in this image.",
        "Please tell me which traffic sign this is.",
        "Can you recognise the road sign in this photograph?",
        "State the meaning of the traffic sign shown in the picture.",
        "I would like to know what this road sign is called.",
        "What does this road sign tell drivers?",
        "Determine which traffic sign appears in the image.",
        "Give the name of the sign pictured here.",
        "What kind of traffic sign are we looking at?",
        "Could you say which road sign this photo depicts?",
        "Classify the road sign displayed in this image.",
        "The picture contains one traffic sign; which one is it?",
    ),
    SIGN_NAMES,
    lambda class_id: SIGN_NAMES[class_id],
)

SIGN_KINDS: tuple[QuestionKind, ...] = (
    SIGN,
    _kind(
        "sign_category",
        "To which family does this sign belong: prohibition, warning, mandatory, priority or end of a restriction?",
        (
            "Is this a prohibition, a warning, a mandatory sign, a priority sign or the end of a restriction?",
            "What family of signs is this one from?",
            "Does the sign forbid, warn, command, settle priority or lift a restriction?",
            "Which category of traffic sign is it?",
            "Say the sign's category.",
        ),
        ("What group of road signs does it fall into?", "Which type of rule does the sign express?"),
        _CATEGORIES,
        category,
    ),
    _kind(
        "is_speed_limit",
        "Is this a speed limit?",
        (
            "Does the sign set a speed limit?",
            "Is a maximum speed given on the sign?",
            "Is it a speed limit sign?",
            "Does this sign limit how fast you may drive?",
            "Do you see a speed limit sign?",
        ),
        ("Would this sign restrict your speed to a number?", "Is the plate one of the speed limits?"),
        YES_NO,
        lambda class_id: _yes(class_id in SPEED_LIMIT_KMH),
    ),
    _kind(
        "top_speed",
        "What top speed does the sign allow?",
        (
            "How fast may you drive after this sign?",
            "Which speed limit does the sign state?",
            "What is the maximum speed on the sign?",
            "How many km/h does the sign permit?",
            "Read the speed limit.",
        ),
        ("What is the highest speed that this sign lets you drive?", "Give the limit in km/h."),
        (*_LIMITS.values(), NO_LIMIT),
        lambda class_id: _LIMITS.get(class_id, NO_LIMIT),
    ),
    _kind(
        "sign_shape",
        "What shape is the sign?",
        (
            "What is the outline of the plate?",
            "Is the sign round, a triangle, an octagon or a diamond?",
            "Which form does the traffic sign have?",
            "Describe the shape of this sign.",
            "What geometric shape does the plate have?",
        ),
        ("Tell me the sign's form.", "How is the plate shaped?"),
        ("round", "a triangle", "a triangle on its tip", "an octagon", "a diamond"),
        shape,
    ),
    _kind(
        "ground_colour",
        "What colour is the sign's ground?",
        (
            "On which background colour does the sign's symbol stand?",
            "Which colour fills the plate?",
            "What is the background colour of the sign?",
            "Name the colour behind the symbol.",
            "Is the plate's ground white, blue, red or yellow?",
        ),
        ("What colour lies behind the sign's symbol?", "Which colour is the area inside the sign?"),
        ("white", "blue", "red", "yellow"),
        ground_colour,
    ),
    _kind(
        "red_rim",
        "Does the sign have a red rim?",
        (
            "Is the edge of the sign red?",
            "Is there a red border around the sign?",
            "Is the sign framed in red?",
            "Do you see a red ring or frame on the sign?",
        ),
        ("Does red run around the sign?", "Is the sign's border red?"),
        YES_NO,
        _rim,
    ),
    _kind(
        "sign_points",
        "Which way does the sign point?",
        (
            "In which direction does the sign's arrow lead?",
            "Where does the sign tell you to go?",
            "Which direction does the sign show?",
            "To which side does the arrow on the sign point?",
        ),
        ("Which direction is drawn on the sign?", "What way does the arrow go?"),
        ("left", "right", "straight ahead", "straight ahead or right", "straight ahead or left"),
        lambda class_id: _DIRECTIONS.get(class_id),
    ),
    _kind(
        "right_of_way",
        "Who has the right of way at this sign?",
        (
            "Does this sign give you or the others priority?",
            "Who may go first according to the sign?",
            "Must you give way here, or must the others?",
            "Who has priority where this sign stands?",
        ),
        ("According to the sign, who goes first?", "Whose right of way is it here?"),
        _RIGHTS_OF_WAY,
        _right_of_way,
    ),
    _kind(
        "ends_something",
        "Does the sign end a restriction?",
        (
            "Is a restriction lifted here?",
            "Does an earlier rule stop applying at this sign?",
            "Is this the end of a limit or a prohibition?",
            "Does this sign cancel a restriction?",
        ),
        ("Is a prohibition over from here on?", "Does the sign lift a limit?"),
        YES_NO,
        lambda class_id: _yes(class_id in ENDS),
    ),
    _kind(
        "trucks_only",
        "Does the sign concern trucks alone?",
        (
            "Is the sign meant for trucks only?",
            "Does this rule apply just to trucks?",
            "Is it a sign for lorries and no one else?",
            "Are trucks the only ones addressed by the sign?",
        ),
        ("Is this sign addressed to trucks exclusively?", "Do only trucks have to heed the sign?"),
        YES_NO,
        lambda class_id: _yes(class_id in FOR_TRUCKS),
    ),
)
