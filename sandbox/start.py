"""The first thing a zygote runs: what has to happen before the library is imported."""

import os


def main() -> None:
    """Keep the library from adding work to every fork, then become a zygote.

    random reseeds and threading rebuilds its locks in each forked child, which triples what a bare fork costs. Programs
    get neither randomness nor threads, so nothing in a child depends on it.
    """
    os.register_at_fork = lambda **_: None
    from sandbox import zygote

    zygote.main()
