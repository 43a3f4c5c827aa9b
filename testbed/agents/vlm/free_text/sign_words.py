"""The words that name the 43 classes, one pattern a line in the notation of `testbed.agents.vlm.free_text.words`.

Names: the benchmark's own (Stallkamp et al. 2011), those of the Vienna Convention in British and American English, and
the spellings of its common English class lists. What resembles a class but is another sign (a bus stop, a limit of 40
km/h, the end of a priority road) stands in `OTHERS`, so that it cannot pass for the class whose name it contains.
"""

from __future__ import annotations

TRUCKS = (
    "(trucks|lorries|heavy vehicles|heavy goods vehicles|hgvs|goods vehicles|"
    "vehicles over 3.5 t|vehicles over 3.5 tons|vehicles over 3.5 tonnes|vehicles over 3.5 metric tons|"
    "vehicles over 3.5 metric tonnes|vehicles heavier than 3.5 tons|"
    "trucks over 3.5 t|trucks over 3.5 tons|trucks over 3.5 tonnes)"
)
"""What ``TRUCKS`` stands for in a pattern."""

CLASSES: dict[int, str] = {
    9: """
        no (passing|overtaking)( zone|)
        (passing|overtaking) (prohibited|forbidden|not allowed)
        do not (pass|overtake)
    """,
    10: """
        no (passing|overtaking) (for|by) TRUCKS
        no TRUCKS (passing|overtaking)
        (passing|overtaking) (prohibited|forbidden) (for|by) TRUCKS
        no truck (passing|overtaking)
        (truck|lorry) (passing|overtaking) (prohibited|forbidden)
    """,
    11: """
        (right of way|priority) (at|on) (next |)(intersection|crossing|crossroads|junction)
        (intersection|crossroads|junction) with (priority|right of way)
        next intersection (priority|right of way)
    """,
    12: """
        (priority|main|right of way) road
        priority (street|route)
    """,
    13: """
        yield( sign|)
        give way( sign|)
        yield( right of|) way
        give way to (traffic|vehicles)( ahead|)
    """,
    14: """
        stop( sign|)
        stop and give way
        full stop
    """,
    15: """
        no vehicles( allowed| permitted|)
        (all |)vehicles (prohibited|forbidden)
        closed to all( motor|) vehicles
        closed to( all|) vehicles
        no traffic allowed
        prohibited for all vehicles
        no vehicles of any kind
    """,
    16: """
        no TRUCKS( allowed| permitted|)
        TRUCKS (prohibited|forbidden|not allowed)
        no entry for TRUCKS
        prohibited for TRUCKS
        no (truck|lorry) (traffic|entry)
    """,
    17: """
        no (entry|entrance)( sign|)
        do not enter
        (entry|entrance) (prohibited|forbidden|not allowed)
        no entry for( all|) vehicles
        no vehicle entry
    """,
    18: """
        general (caution|danger|warning|hazard)
        (other|unspecified) (danger|dangers|hazard|hazards)
        exclamation (mark|point)
    """,
    19: """
        (dangerous |sharp |)(curve|bend) (to |)(left|the left)( ahead|)
        (dangerous |sharp |)left( hand|) (curve|bend)( ahead|)
        (curve|bend) ahead to left
        (dangerous |sharp |)(curve|bend) ahead to left
        sharp left( turn|)
    """,
    20: """
        (dangerous |sharp |)(curve|bend) (to |)(right|the right)( ahead|)
        (dangerous |sharp |)right( hand|) (curve|bend)( ahead|)
        (dangerous |sharp |)(curve|bend) ahead to right
        sharp right( turn|)
    """,
    21: """
        (dangerous |)double (curve|curves|bend|bends)
        winding road
        s (curve|bend)
        series of (curves|bends)
    """,
    22: """
        (bumpy|uneven|rough)( road|)( surface|)( ahead|)
        road bumps
        bumps ahead
    """,
    23: """
        slippery( road|)( surface| roadway|)( ahead|)
        slippery when wet
        (skidding|skid) (hazard|danger|risk)
        risk of skidding
    """,
    24: """
        road narrows (right|on right|to right|from right)( side|)
        (road |)narrowing (right|on right|to right)( side|)
        right( hand|) side( of road|) narrows
        narrow road on right
        road narrows on right hand side
    """,
    25: """
        (road work|road works|roadwork|roadworks)( ahead|)
        (road |)construction( ahead| zone| site| work|)
        (men|workers) at work
        work zone
        workers ahead
        under construction
    """,
    26: """
        traffic (signal|signals|light|lights)( ahead|)
        (signal|signals) ahead
        (stoplight|stoplights)( ahead|)
        stop (light|lights)( ahead|)
    """,
    27: """
        (pedestrian|pedestrians)( ahead|)
        (pedestrian|pedestrians) (crossing|crosswalk)( ahead|)
        (pedestrian|pedestrians) (in|on) road( ahead|)
        crosswalk( ahead|)
    """,
    28: """
        (child|children)( crossing| ahead| playing|)
        school( crossing| zone| children|)( ahead|)
        (watch|beware|look out) (for|of) children
    """,
    29: """
        (bicycle|bicycles|bike|bikes|cyclist|cyclists)( crossing|)( ahead|)
        cycle (crossing|route ahead)
        (beware|watch) (of|for) (bicycles|cyclists)
    """,
    30: """
        (beware of |risk of |danger of |watch for |)(ice|snow|frost|black ice)( ahead|)
        (beware of |risk of |danger of |watch for |)(ice|snow|ice or|snow or|ice and|snow and) (ice|snow)( ahead|)
        (icy|snowy)( road| roads| conditions|)( ahead|)
        (snowflake|snow flake)
    """,
    31: """
        (wild |)(animal|animals)( crossing|)( ahead|)
        (deer|wildlife|moose|elk)( crossing|)( ahead|)
    """,
    32: """
        end of all( speed| previous| local|) (limits|restrictions|prohibitions|limitations|bans)
        end of all speed and (passing|overtaking) (limits|restrictions|prohibitions|limitations|bans)
        end of (restrictions|prohibitions)
        end of all speed (limits|restrictions) and (passing|overtaking) (limits|restrictions)
        all restrictions (end|lifted)
        end of speed and (passing|overtaking) (limits|restrictions)
    """,
    33: """
        turn right( ahead| only|)( ahead|)
        right turn only( ahead|)
        (mandatory|compulsory) right turn( ahead|)
        right turn (mandatory|compulsory)
        right only
    """,
    34: """
        turn left( ahead| only|)( ahead|)
        left turn only( ahead|)
        (mandatory|compulsory) left turn( ahead|)
        left turn (mandatory|compulsory)
        left only
    """,
    35: """
        (straight |)ahead only
        straight( on|) only
        (go|proceed|continue|drive) straight( ahead| on|)( only|)
        straight ahead
        only straight( ahead|)
        (mandatory|compulsory) straight( ahead|)
    """,
    36: """
        (go |proceed |turn |)(straight|straight ahead|straight on|ahead|forward) (or|and) (turn |to |)right( only|)
        (turn |)right (or|and)( go|) (straight|straight ahead|ahead)( only|)
        go straight or turn right( ahead|)
    """,
    37: """
        (go |proceed |turn |)(straight|straight ahead|straight on|ahead|forward) (or|and) (turn |to |)left( only|)
        (turn |)left (or|and)( go|) (straight|straight ahead|ahead)( only|)
        go straight or turn left( ahead|)
    """,
    38: """
        (keep|stay)( to|) (right|right side)
        pass( by|)( on|) (right|right side)
        pass to right
    """,
    39: """
        (keep|stay)( to|) (left|left side)
        pass( by|)( on|) (left|left side)
        pass to left
    """,
    40: """
        (roundabout|rotary|traffic circle)( ahead|)
        (roundabout|traffic circle) (mandatory|compulsory)
        (mandatory|compulsory) (roundabout|traffic circle)
    """,
    41: """
        end of no (passing|overtaking)( zone| restriction|)
        end of (passing|overtaking) (ban|prohibition|restriction|limits|limit)
        no (passing|overtaking)( zone|) ends
        (passing|overtaking) allowed again
    """,
    42: """
        end of no (passing|overtaking) (for|by) TRUCKS
        end of (passing|overtaking) (ban|prohibition|restriction) (for|by) TRUCKS
        no (passing|overtaking) (for|by) TRUCKS ends
        end of truck (passing|overtaking) (ban|prohibition|restriction)
        end of no truck (passing|overtaking)
    """,
}
"""Class to its patterns; classes with a number stand in `LIMIT` and `END_OF_LIMIT`."""

LIMIT = """
    (maximum |max |)speed limit( sign|)( of| is| at| to| for|) #( kmh|)
    (speed |)limit( of| is|) # kmh
    limit( is|) #
    #( kmh|)( maximum| max|)( speed|) limit
    #( kmh|) (maximum|max)( speed|)
    (maximum|max)( allowed| permitted|) speed( of| is|) #( kmh|)
    speed( is|) limited to #( kmh|)
    # kmh speed( sign|)
    (not|not to|never) exceed #( kmh|)
    no (faster|more) than #( kmh|)
    (maximum|max)( of|) # kmh
"""
END_OF_LIMIT = """
    end of( speed|) limit( of|)( sign|) #( kmh|)
    end of #( kmh|)( speed|) (limit|zone|restriction)
    end of (maximum|max) speed( limit|)( of|) #( kmh|)
    speed limit #( kmh|) ends
    #( kmh|)( speed|) limit ends
    end of # kmh
    end of speed (restriction|restrictions) #( kmh|)
"""
OTHERS = """
    (bus|tram|taxi|no|truck|rest|pit|emergency) stop
    stop line
    (stop|yield|give way) ahead
    no stopping
    no (parking|standing|waiting)
    (weight|height|width|length|axle) limit( of| is|) #
    minimum speed( limit|)( of|) #( kmh|)
    #( kmh|) (minimum|min)( speed|)
    # kmh zone
    zone #
    # zone
    speed limit zone #
    (speed |)limit #( kmh|) zone
    (speed |)limit( of|) # mph
    # mph( speed|) limit
    (maximum|max) speed( of|) # mph
    # mph
    end of (priority|main|right of way) road
    end of priority
    end of speed limit
    end of limit
    priority (to|from) (right|left)
    priority over oncoming( traffic| vehicles|)
    (give way|yield) to (oncoming|pedestrians|cyclists|bicycles|right|left|trams|buses)( traffic| vehicles|)
    no motor( |)vehicles
    no (motor|) (cycles|bicycles|bikes|motorcycles|pedestrians|cyclists|cars|buses|animals|children)
    no (left|right|u) (turn|turns)
    no turning( left| right|)
    (turn|turning) (left|right) (prohibited|forbidden|not allowed)
    (left|right) turn (prohibited|forbidden)
    do not turn( left| right|)
    no straight( ahead|)
    (bicycle|bike|cycle) (lane|path|route|track)
    (pedestrian|pedestrians) (zone|path|only)
    (speed|road) (bump|bumps|hump|humps)( ahead|)
    road narrows( ahead|)
    road narrows (on |to |from |)(left|both sides|left side|both)
    (cattle|domestic animals|domestic animal|farm animals)( crossing|)
    railway crossing
    railroad crossing
    level crossing
    one way( street| road|)
    dead end
    no through road
    end of (all |)(bicycle|pedestrian) (zone|path|lane)
    end of (roadworks|roadwork|road work|road works|construction)( zone|)
    end of (school|pedestrian) zone
    two way traffic
    no (horns|horn|honking)
    (keep|stay) (in |)lane
    (curve|bend) ahead
    dangerous (curve|bend)
    (mini|end of) roundabout
    keep (left|right) or (left|right)
    keep right of way
    pass (on |)(either|both) (side|sides)
    turn (left|right) or (left|right)
    (left|right) or (left|right)( turn|)( only|)
    no (passing|overtaking) on (left|right)
"""
"""Signs and words that contain the name of a class and are none."""

WHOLE: dict[str, int] = {
    "caution": 18,
    "danger": 18,
    "warning": 18,
    "hazard": 18,
    "priority": 12,
    "yield": 13,
    "give way": 13,
}
"""Words that name a class only where they are the whole answer: in a sentence they are said of many signs."""
