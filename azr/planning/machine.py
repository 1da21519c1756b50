"""The machine that a config is planned for: a card that is here, one of a given size, or this machine's own memory."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from azr.errors import UserError
from azr.policy.device import resolve_device

GB = 1e9

# Of each size the bytes that torch finds on the smallest common card: RTX 4090 and 3090, L40S, A100 and H100, H200.
CARDS = {24: 25.3e9, 48: 47.7e9, 80: 84.9e9, 141: 150.1e9}

USABLE = 0.97  # of a card's memory; the rest is lost between blocks


@dataclass(frozen=True)
class Machine:
    """`memory` is in bytes. `card` says whether it is a graphics card's; else it is the machine's own.

    `size` is that of CARDS which was asked for, in GB.
    """

    name: str
    memory: float
    card: bool
    size: int | None = None

    @property
    def usable(self) -> float:
        """Bytes that a run may plan with."""
        return self.memory * USABLE if self.card else self.memory


def card_of(size: int) -> Machine:
    """A card of a size in GB that need not be here. Raises UserError for a size that is not among CARDS."""
    if size not in CARDS:
        raise UserError(f"--card {size}: there are cards of {', '.join(map(str, CARDS))} GB")
    return Machine(f"a card of {size} GB", CARDS[size], card=True, size=size)


def machine_here(device: str, ranks: int = 1) -> Machine:
    """What `model.device` names on this machine; of a processor its part for each of `ranks`, who have a card each.

    Raises UserError where it isn't there.
    """
    found = resolve_device(device)
    if found.type == "cuda":
        card = torch.cuda.get_device_properties(found)
        return Machine(f"{found} ({card.name})", card.total_memory, card=True)
    shared = f", shared by {ranks} ranks" if ranks > 1 else ""
    return Machine(f"this machine's processor{shared}", _own_memory() / ranks, card=False)


def _own_memory() -> float:
    """Bytes of memory, or of what the control group that we run in may have of it."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")]
    granted = [int(text) for path in limits if path.is_file() and (text := path.read_text().strip()).isdigit()]
    return float(min([whole, *granted]))
