"""TTRL: given problems that the majority of the answers labels (config section ttrl)."""

from azr.methods.problems.room import problems_room

ROOM = problems_room("ttrl")
