"""RLVR: given problems whose answers are known (config section rlvr)."""

from azr.methods.problems.room import problems_room

ROOM = problems_room("rlvr")
