"""How the losses of tokens become one number: what each token counts in the sum."""

from collections.abc import Sequence

from azr.config.fields import Aggregation


def token_weights(aggregation: Aggregation, lengths: Sequence[int], response_budget: int) -> list[float]:
    """What each token of response i counts in the loss, where response i has `lengths[i]` tokens.

    The sum runs over all responses of an optimizer step, those without an advantage included, so that leaving them out
    of the forward pass changes nothing. The words are verl's (`loss_agg_mode`):

    - token-mean: 1 / all tokens.
    - seq-mean-token-mean: 1 / (responses × own tokens), the mean over responses of each one's mean.
    - seq-mean-token-sum: 1 / responses, a response being one action.
    - seq-mean-token-sum-norm: 1 / (responses × `response_budget`), a constant, so that length has no say.
    """
    responses = len(lengths)
    tokens = sum(lengths)
    match aggregation:
        case Aggregation.TOKEN_MEAN:
            return [1 / tokens for _ in lengths]
        case Aggregation.SEQ_MEAN_TOKEN_MEAN:
            return [1 / (responses * length) for length in lengths]
        case Aggregation.SEQ_MEAN_TOKEN_SUM_NORM:
            return [1 / (responses * response_budget) for _ in lengths]
        case Aggregation.SEQ_MEAN_TOKEN_SUM:
            return [1 / responses for _ in lengths]
