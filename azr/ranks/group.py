"""The processes of a run, and what they say to each other.

Objects travel over gloo, whose connections break at once where a process ends; gradients go where the device's are
summed (NCCL for cards). Who is rank 0 and how many there are is what the launcher says: `torchrun`,
`accelerate launch`, or whatever else sets RANK and WORLD_SIZE.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from azr.errors import UserError
from azr.ranks import launched
from azr.ranks.pulse import Pulse, RankLostError

T = TypeVar("T")

_PATIENCE = timedelta(hours=24)  # a rank may wait as long as another one seeds; who is gone is Pulse's to find out
_JOINING = timedelta(minutes=5)


@dataclass(frozen=True)
class Ranks:
    """`size` processes, `here` of them on this machine, of which this one is number `rank`.

    One that is alone talks to nobody.
    """

    rank: int = 0
    size: int = 1
    here: int = 1
    objects: Any = None  # the group that objects travel over
    pulse: Pulse | None = None

    @property
    def leads(self) -> bool:
        """Whether this process runs the program, and has the buffer, the telemetry and the checkpoints."""
        return self.rank == 0

    def tell(self, message: Any) -> None:
        """Rank 0 says the same to all others, who `hear` it."""
        if self.size == 1:
            return
        self._together(lambda: dist.broadcast_object_list([message], src=0, group=self.objects))

    def hear(self) -> Any:
        """What rank 0 tells next."""
        told: list[Any] = [None]
        self._together(lambda: dist.broadcast_object_list(told, src=0, group=self.objects))
        return told[0]

    def same(self, item: T) -> T:
        """What rank 0 has, on all of them."""
        if self.leads:
            self.tell(item)
            return item
        told: T = self.hear()
        return told

    def gather(self, part: T) -> list[T]:
        """What every rank has, in the ranks' order, on rank 0; nothing on the others."""
        if self.size == 1:
            return [part]
        parts: list[T] | None = [part] * self.size if self.leads else None
        self._together(lambda: dist.gather_object(part, parts, dst=0, group=self.objects))
        return parts or []

    def send(self, item: Any) -> None:
        """Send something to rank 0, which has to `receive` it."""
        self._together(lambda: dist.send_object_list([item], dst=0, group=self.objects))

    def receive(self, rank: int) -> Any:
        """What another rank sends next. Blocking; one thread a rank may wait.

        Raises RuntimeError as soon as the rank is gone, of which `lost_touch` makes who it was.
        """
        sent: list[Any] = [None]
        dist.recv_object_list(sent, src=rank, group=self.objects)
        return sent[0]

    def lost_touch(self, error: RuntimeError) -> RankLostError:
        """What to raise where talking failed: it names who is gone, which takes some seconds to hear."""
        lost = self.pulse.lost() if self.pulse else ""
        return RankLostError(lost or f"rank {self.rank} lost touch with the others: {error}")

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the ranks, the same bits on all of them."""
        if self.size == 1:
            return

        def reduce() -> None:
            for tensor in tensors:
                dist.all_reduce(tensor)

        self._together(reduce)

    def spread(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by what rank 0 has."""
        if self.size == 1:
            return

        def send() -> None:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), src=0)

        self._together(send)

    def raise_for_lost(self) -> None:
        """Raise RankLostError where a rank is gone."""
        if self.pulse and (lost := self.pulse.lost()):
            raise RankLostError(lost)

    def _together(self, talk: Callable[[], None]) -> None:
        try:
            talk()
        except RuntimeError as error:
            raise self.lost_touch(error) from error


ALONE = Ranks()


def check_card(device: str, ranks: Ranks) -> None:
    """Raises UserError where a device is named that several ranks would share."""
    if ranks.size > 1 and device.startswith("cuda:"):
        raise UserError(
            f"device {device} is one card for {ranks.size} ranks: set it to auto, and each rank takes the card of its"
            " number"
        )


def deal_by_size(sizes: Sequence[int], hands: int) -> list[list[int]]:
    """The numbers of the items for each hand: the largest first, each to who has least. Depends on nothing else."""
    dealt: list[list[int]] = [[] for _ in range(hands)]
    held = [0] * hands
    for index in sorted(range(len(sizes)), key=lambda index: (-sizes[index], index)):
        hand = held.index(min(held))
        dealt[hand].append(index)
        held[hand] += sizes[index]
    return [sorted(hand) for hand in dealt]


@contextmanager
def open_ranks() -> Iterator[Ranks]:
    """The processes that a launcher started together; one alone where none did.

    On a machine with cards each rank works on the one of its number there, where `model.device` is auto or cuda. Raises
    RankLostError, naming the rank, in every process soon after one of them ended or stopped answering.
    """
    size = launched.size()
    if size == 1:
        yield ALONE
        return
    rank = int(os.environ["RANK"])
    here = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    cards = torch.cuda.is_available()
    if cards:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("cpu:gloo,cuda:nccl" if cards else "gloo", timeout=_JOINING)
    objects = dist.new_group(backend="gloo", timeout=_PATIENCE)
    with Pulse(rank, size) as pulse:
        try:
            yield Ranks(rank, size, here, objects, pulse)
        except RankLostError:
            raise
        except RuntimeError as error:  # of an engine that several ranks share, say
            if killed := pulse.lost(killed=True):
                raise RankLostError(killed) from error
            raise
        finally:
            pulse.leave()
    dist.destroy_process_group()
