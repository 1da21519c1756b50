"""The methods by name: those that come with azr, and any module that has a ROOM."""

from importlib import import_module

from azr.config.fields import Config
from azr.errors import UserError
from azr.methods.method import Room

OURS = {
    "absolute_zero": "azr.methods.absolute_zero.room",
    "rlvr": "azr.methods.problems.rlvr",
    "ttrl": "azr.methods.problems.ttrl",
}


def rooms(config: Config) -> list[Room]:
    """The rooms of the methods that the config names. Raises UserError for one that is not there, or named twice."""
    for name in config.methods:
        if config.methods.count(name) > 1:
            raise UserError(f"methods: {name} is named twice")
    return [find_room(name) for name in config.methods]


def find_room(name: str) -> Room:
    """The room of one of OURS, or of a module, whose name has a dot. Raises UserError where there is none."""
    if name not in OURS and "." not in name:
        raise UserError(f"methods: there is no {name}; there are {', '.join(OURS)}, and modules of your own (a.module)")
    path = OURS.get(name, name)
    try:
        room = import_module(path).ROOM
    except (ModuleNotFoundError, AttributeError) as error:
        raise UserError(f"methods: {path} is no module with a ROOM ({error})") from None
    if not isinstance(room, Room):
        raise UserError(f"methods: {path}.ROOM is not a Room (azr/methods/method.py)")
    return room
