"""Which device a model lives on, and what is wrong where a graphics card is there and can't be used."""

import ctypes
import os
import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from azr.errors import UserError


def resolve_device(name: str) -> torch.device:
    """`auto` is the first of cuda, mps and cpu that is there.

    Of several cards the one that the name has (cuda:1) becomes the only one that this process sees, as cuda:0: vLLM
    works on the first that it sees. Raises UserError for a device this machine lacks, and for `auto` where the machine
    has an NVIDIA card that torch can't use: to train on the processor instead, one says so.
    """
    asked, number = name, name.removeprefix("cuda:")
    if number != name and number.isdigit() and not torch.cuda.is_initialized():
        name = _see_only(int(number))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        if name != "cuda" and (faults := Cuda.here().faults):
            raise UserError(f"{faults[0]}; model.device=cpu trains on the processor, and `azr doctor` says more")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA raises AssertionError
        line = (str(error).strip() or type(error).__name__).splitlines()[0].strip()
        raise UserError(f"model.device {asked!r} can't be used here ({line}): try auto or cpu") from error
    return device


@contextmanager
def own_random_state(device: torch.device) -> Iterator[None]:
    """Random draws on the processor and on `device` leave no trace; other cards are not touched."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


@dataclass(frozen=True)
class Cuda:
    """What there is of CUDA: an NVIDIA card, the version that its driver knows, the one that torch was built for.

    Versions are (major, minor). `compiler` and `header` are what Triton wants to build its kernels with.
    """

    card: bool
    driver: tuple[int, int] | None
    built_for: tuple[int, int] | None
    usable: bool
    compiler: bool = True
    header: bool = True

    @staticmethod
    def here() -> "Cuda":
        """Of this machine."""
        built = torch.version.cuda
        return Cuda(
            card=_cards_wanted() and any(Path("/dev").glob("nvidia[0-9]*")),
            driver=_driver_version(),
            built_for=None if built is None else _version(built),
            usable=torch.cuda.is_available(),
            compiler=any(shutil.which(name) for name in (os.environ.get("CC", "cc"), "gcc", "clang")),
            header=Path(sysconfig.get_path("include"), "Python.h").is_file(),
        )

    @property
    def faults(self) -> list[str]:
        """What keeps torch from the card, a line each that says what to do; empty where nothing does, or no card is."""
        if not self.card or self.usable:
            return []
        if self.built_for is None:
            return ["an NVIDIA card is here, and torch is built for the processor: `make vllm` installs the CUDA build"]
        wanted = _text(self.built_for)
        if self.driver is None:
            return ["an NVIDIA card is here, and its driver's library (libcuda.so.1) is not: install the driver"]
        if self.driver[0] < self.built_for[0]:
            return [
                f"the NVIDIA driver knows CUDA up to {_text(self.driver)}, and torch is built for {wanted}: install a"
                " newer driver"
            ]
        return [f"an NVIDIA card and its driver are here, and torch (CUDA {wanted}) does not find the card"]

    @property
    def lacks(self) -> list[str]:
        """What compiling kernels needs on a machine with a card and is not there."""
        if not self.card:
            return []
        missing = [
            ("a C compiler (cc, gcc or clang)", self.compiler),
            (f"Python.h in {sysconfig.get_path('include')} (python3-dev)", self.header),
        ]
        return [f"Triton compiles its kernels with {what}, which is not here" for what, there in missing if not there]


def _see_only(number: int) -> str:
    """Hide all cards but one of those that are visible now, before CUDA starts."""
    visible = [card for card in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if card]
    if visible and number >= len(visible):
        return f"cuda:{number}"  # which torch then says is not there
    os.environ["CUDA_VISIBLE_DEVICES"] = visible[number] if visible else str(number)
    return "cuda:0"


def _cards_wanted() -> bool:
    """False where the user has hidden all cards."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "all") not in ("", "-1")


def _driver_version() -> tuple[int, int] | None:
    """The newest CUDA that the driver knows; it says 13010 for 13.1."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    number = ctypes.c_int()
    return divmod(number.value // 10, 100) if driver.cuDriverGetVersion(ctypes.byref(number)) == 0 else None


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor.partition(".")[0] or 0)


def _text(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
