"""When a sample ends, and the text it then has."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from azr.rollout.engine import Completion

# The stop string may begin inside a token, and a few tokens of context keep a tokenizer from stripping a space.
_CONTEXT_TOKENS = 8


def hits_stop(tokenizer: PreTrainedTokenizerBase, token_ids: Sequence[int], stop: tuple[str, ...]) -> bool:
    """Whether the last token completes a stop string, given that none was complete before it.

    Only as many tokens are looked at as the longest stop string can span.
    """
    if not stop:
        return False
    span = max(len(string.encode()) for string in stop) + _CONTEXT_TOKENS
    tail = _decode(tokenizer, token_ids[-span:])
    return any(string in tail for string in stop)


def finish(
    tokenizer: PreTrainedTokenizerBase,
    token_ids: Sequence[int],
    logprobs: Sequence[float],
    stop: tuple[str, ...],
    truncated: bool,
    cut: bool = False,
) -> Completion:
    """The sample with its text: without special tokens, and ending before the first stop string."""
    text = _decode(tokenizer, token_ids)
    ends = [text.find(string) for string in stop if string in text]
    return Completion(tuple(token_ids), tuple(logprobs), text[: min(ends)] if ends else text, truncated, cut)


def _decode(tokenizer: PreTrainedTokenizerBase, token_ids: Sequence[int]) -> str:
    return tokenizer.decode(list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
