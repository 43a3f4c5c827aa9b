"""Planner and controller, the same for every agent: from perception answers to steering and acceleration."""

from testbed.driver.controller import Driver, DriverConfig
from testbed.driver.rules import RoadRules, RulesConfig

__all__ = ["Driver", "DriverConfig", "RoadRules", "RulesConfig"]
