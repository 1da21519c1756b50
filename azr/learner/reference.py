"""The policy as it was when training began: what a KL term measures the distance from.

With a LoRA adapter that is the base model, the adapter switched off: no memory of its own. Where every weight is
trained it is a frozen copy, 2 bytes a parameter in bf16 and 4 in fp32.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from azr.config.fields import AttentionKernel
from azr.learner.attention import TreeMask, tree_attention
from azr.learner.forward import hidden_states
from azr.learner.loss import token_logprobs
from azr.learner.packing import PackedBatch
from azr.policy.model import Policy


class Reference:
    """Log-probabilities under the starting weights.

    `frozen` is the copy that full fine-tuning needs, on the policy's device; it is put into evaluation mode and asks
    for no gradient. Raises ValueError where a policy without an adapter comes without one.
    """

    def __init__(self, policy: Policy, frozen: PreTrainedModel | None, kernel: AttentionKernel, chunk: int) -> None:
        self._adapted = policy.model if isinstance(policy.model, PeftModel) else None
        if self._adapted is not None:
            self._model = policy.base
        elif frozen is not None:
            self._model = frozen.eval().requires_grad_(False)
        else:
            raise ValueError("a KL term needs the starting weights: an adapter to switch off, or a frozen copy")
        self._kernel = kernel
        self._chunk = chunk

    @torch.no_grad()
    def logprobs(self, batch: PackedBatch, mask: TreeMask) -> Tensor:
        """Log-probabilities [E] of the batch's response tokens, at their temperatures."""
        with self._at_start(), tree_attention(self._model.config, self._kernel):
            hidden = hidden_states(self._model, batch, mask)
            return token_logprobs(hidden, self._model.get_output_embeddings().weight, batch, self._chunk)

    @contextmanager
    def _at_start(self) -> Iterator[None]:
        with self._adapted.disable_adapter() if self._adapted is not None else nullcontext():
            yield
