"""Which engine a config gets."""

from importlib.util import find_spec

import pytest

from azr.config.fields import EngineChoice, RolloutConfig
from azr.errors import UserError
from azr.rollout import choose_engine, open_engine
from tests.azr.rollout.tiny import tiny_policy

HAS_VLLM = find_spec("vllm") is not None


def test_auto_is_vllm_where_it_is_installed() -> None:
    expected = EngineChoice.VLLM if HAS_VLLM else EngineChoice.TRANSFORMERS
    assert choose_engine(EngineChoice.AUTO) is expected


@pytest.mark.skipif(HAS_VLLM, reason="vLLM is installed here")
def test_vllm_asked_for_and_absent_is_said_with_the_way_to_get_it() -> None:
    with pytest.raises(UserError, match="make vllm"):
        open_engine(tiny_policy(), RolloutConfig(engine=EngineChoice.VLLM))


def test_the_transformers_engine_is_always_there() -> None:
    assert open_engine(tiny_policy(), RolloutConfig(engine=EngineChoice.TRANSFORMERS)).name == "transformers"
