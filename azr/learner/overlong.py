"""DAPO's soft penalty for long responses. The loop adds it to what trains; the reward that is stored is without it."""


def overlong_penalty(length: int, limit: int, buffer: int) -> float:
    """What is added to the reward of a response of `length` tokens that may have `limit`: from 0 down to -1.

    0 up to limit - buffer, then falling on a line to -1 at the limit. Yu et al. 2025 (DAPO, arXiv 2503.14476), section
    3.4, equation 13. Raises ValueError for a buffer that isn't between 1 and the limit.
    """
    if not 0 < buffer <= limit:
        raise ValueError(f"a buffer of {buffer} tokens below a limit of {limit}")
    return min(max((limit - buffer - length) / buffer, -1.0), 0.0)
