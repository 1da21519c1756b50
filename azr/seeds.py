"""One run seed, any number of independent streams: a number for every purpose, step and item.

Nothing in a step draws from a stream that an earlier step advanced, so a resumed run needs no random state but torch's.
"""

import hashlib
import random


def derive_seed(run_seed: int, *purpose: str | int) -> int:
    """A seed of 31 bits for this purpose, the same on every machine and in every version."""
    text = "/".join(str(part) for part in (run_seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def stream(run_seed: int, *purpose: str | int) -> random.Random:
    """A generator of its own for this purpose."""
    return random.Random(derive_seed(run_seed, *purpose))
