"""Image-text models: what they are asked, and the engine against plain forward passes and transformers' own greedy."""

import io
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image
from tokenizers.processors import TemplateProcessing

from azr.config.fields import EngineChoice, ModelConfig, Precision, RolloutConfig
from azr.errors import UserError
from azr.policy.image_text import image_prompt, load_image_policy, model_inputs, opened, text_ids
from azr.policy.model import Policy
from azr.rollout import Completion, Request, TransformersEngine, open_engine
from azr.rollout.image_text import ImageTextEngine
from azr.rollout.scripted import ScriptedEngine
from tasks.triplet import Prompt
from tests.azr.evaluation.pictures import drawn
from tests.azr.players import tiny_model_folder
from tests.azr.rollout.tiny import tiny_policy
from tests.azr.rollout.tiny_images import tiny_idefics, tiny_llava, tiny_qwen_vl, written

FAMILIES = {"llava": tiny_llava, "qwen2-vl": tiny_qwen_vl, "idefics3": tiny_idefics}
BARS = [drawn(number, (40 + 8 * number, 32)) for number in range(4)]


@pytest.fixture(scope="module", params=FAMILIES)
def policy(request: pytest.FixtureRequest) -> Policy:
    torch.set_num_threads(1)
    made: Callable[[], Policy] = FAMILIES[request.param]
    return made()


def asked(policy: Policy, *images: bytes, question: str = "How many?", **options: object) -> Request:
    prompt = image_prompt(policy, Prompt(question), images)
    return Request(text_ids(policy, prompt.text), **{"max_tokens": 12} | options, pictured=prompt if images else None)


def generated(policy: Policy, requests: list[Request], room: int = 32768) -> list[list[Completion]]:
    return ImageTextEngine(policy, room).generate(requests)


@torch.no_grad()
def logprobs_of(policy: Policy, request: Request, completion: Completion) -> torch.Tensor:
    """The log-probabilities of a completion in one forward pass over prompt, images and completion."""
    inputs = (
        dict(model_inputs(policy, request.pictured))
        if request.pictured
        else {"input_ids": torch.tensor([request.prompt_ids])}
    )
    said = torch.tensor([completion.token_ids])
    length = inputs["input_ids"].shape[1]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], said], dim=1)
    for name in ("attention_mask", "mm_token_type_ids"):
        if name in inputs:
            filled = torch.full_like(said, int(name == "attention_mask"))
            inputs[name] = torch.cat([inputs[name], filled], dim=1)
    logits = policy.base(**inputs).logits[0, length - 1 : -1] / (request.temperature or 1.0)
    return logits.log_softmax(-1).gather(-1, said[0][:, None])[:, 0]


def test_logprobs_are_those_of_the_tempered_softmax_behind_the_image(policy: Policy) -> None:
    """With words alone between two images, and images of several sizes, which move positions by different lengths."""
    requests = [
        asked(policy, BARS[0], n=3, temperature=0.7, seed=1),
        asked(policy, n=2, temperature=1.3, seed=2),
        asked(policy, BARS[3], question="Which?", temperature=0.0),
        asked(policy, BARS[1], BARS[2], n=2, seed=3, top_p=0.8),
    ]
    for request, completions in zip(requests, generated(policy, requests), strict=True):
        assert len(completions) == request.n
        for completion in completions:
            expected = logprobs_of(policy, request, completion)
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=2e-4, rtol=0)


def test_greedy_is_what_transformers_generates(policy: Policy) -> None:
    requests = [asked(policy, image, temperature=0.0, max_tokens=16) for image in BARS]
    for request, (completion,) in zip(requests, generated(policy, requests), strict=True):
        inputs = model_inputs(policy, request.pictured)
        ids = policy.base.generate(
            **inputs, max_new_tokens=16, do_sample=False, eos_token_id=sorted(policy.eos_ids), pad_token_id=0
        )
        assert tuple(ids[0, inputs["input_ids"].shape[1] :].tolist()) == completion.token_ids


@pytest.mark.parametrize("first", [None, "template", "tokenizer"])
def test_a_prompt_has_the_tokens_that_transformers_gives_it(first: str | None) -> None:
    """Also where a text begins with a special token, which the template writes or leaves to the tokenizer."""
    for made in FAMILIES.values():
        policy = made()
        if first is not None:
            policy.tokenizer.bos_token = "<turn>"
            begin = TemplateProcessing(single="<turn> $A", special_tokens=[("<turn>", 257)])
            policy.tokenizer.backend_tokenizer.post_processor = begin
        if first == "tokenizer":
            policy.processor.chat_template = policy.processor.chat_template.replace("<turn>", "| ")
        parts = [{"type": "image", "image": opened(BARS[1])}, {"type": "text", "text": "How many?"}]
        theirs = policy.processor.apply_chat_template(
            [{"role": "user", "content": parts}],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        )
        ours = model_inputs(policy, image_prompt(policy, Prompt("How many?"), BARS[1:2]))
        assert ours["input_ids"].tolist() == theirs["input_ids"].tolist()
        torch.testing.assert_close(ours["pixel_values"], theirs["pixel_values"])
        assert ours["input_ids"][0, 0] == policy.tokenizer.convert_tokens_to_ids("<turn>")


def test_an_image_changes_what_is_said(policy: Policy) -> None:
    said = {generated(policy, [asked(policy, image, temperature=0.0)])[0][0].token_ids for image in BARS}
    assert len(said) > 1


def test_seeds_decide_the_samples_whatever_the_room(policy: Policy) -> None:
    requests = [asked(policy, BARS[1], n=5, temperature=1.2, seed=seed) for seed in (0, 1)]
    first = generated(policy, requests)
    length = model_inputs(policy, requests[0].pictured)["input_ids"].shape[1] + 12
    for room in (32768, length, 2 * length + 1):  # all, one and two samples at once
        again = generated(policy, requests, room)
        assert [[c.token_ids for c in cs] for cs in again] == [[c.token_ids for c in cs] for cs in first]
    assert len({completion.token_ids for completions in first for completion in completions}) == 10


def test_a_sample_ends_at_its_turns_end_and_at_a_stop_string(policy: Policy) -> None:
    (over,) = policy.eos_ids - {0}
    assert policy.tokenizer.decode([over]) in ("<over>", "<end_of_utterance>")
    free = generated(policy, [asked(policy, BARS[0], n=8, temperature=1.0, max_tokens=24, seed=5)])[0]
    assert all(c.truncated == (c.token_ids[-1] not in policy.eos_ids) for c in free)
    text = max((c.text for c in free), key=len)
    stopped = generated(policy, [asked(policy, BARS[0], n=8, max_tokens=24, seed=5, stop=(text[3:5],))])[0]
    assert any(c.text == text[:3] and not c.truncated for c in stopped)


def test_a_sample_without_room_is_refused(policy: Policy) -> None:
    with pytest.raises(UserError, match="one sample takes"):
        generated(policy, [asked(policy, BARS[0])], room=20)


def test_each_request_is_handed_over_as_it_is_done(policy: Policy) -> None:
    told: list[int] = []
    requests = [asked(policy, image) for image in BARS]
    done = ImageTextEngine(policy, 32768).generate(requests, lambda i, completions: told.append(i))
    assert told == [0, 1, 2, 3]
    assert len(done) == 4


# -- loading and refusing ----------------------------------------------------------------------------------------------


def test_a_model_is_loaded_with_its_processor(tmp_path: Path) -> None:
    config = ModelConfig(name=str(written(tiny_llava(), tmp_path)), precision=Precision.FP32, device="cpu")
    loaded, made = load_image_policy(config), tiny_llava()
    engine = open_engine(loaded, RolloutConfig(engine=EngineChoice.TRANSFORMERS))
    assert isinstance(engine, ImageTextEngine)
    request = asked(made, BARS[2], n=2)
    assert engine.generate([request]) == generated(made, [request])


def test_a_model_without_an_image_processor_is_refused(tmp_path: Path) -> None:
    config = ModelConfig(name=str(tiny_model_folder(tmp_path)), precision=Precision.FP32, device="cpu")
    with pytest.raises(UserError, match="has no image processor"):
        load_image_policy(config)


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    folder = written(tiny_llava(), tmp_path)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(UserError, match="has no chat template"):
        load_image_policy(ModelConfig(name=str(folder), precision=Precision.FP32, device="cpu"))


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is here")
def test_what_a_processor_lacks_is_said(tmp_path: Path) -> None:
    """Qwen's own wants torchvision for films, which `make setup` does not bring."""
    folder = written(tiny_qwen_vl(), tmp_path)
    for name, change in (
        ("processor_config.json", {"video_processor": {"video_processor_type": "Qwen2VLVideoProcessor"}}),
        ("tokenizer_config.json", {}),
    ):
        found = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(found | change | {"processor_class": "Qwen2VLProcessor"}))
    with pytest.raises(UserError, match=r"requires the Torchvision library .* install the one for this torch"):
        load_image_policy(ModelConfig(name=str(folder), precision=Precision.FP32, device="cpu"))


def test_engines_of_text_refuse_images() -> None:
    text, image = tiny_policy(), asked(tiny_llava(), BARS[0])
    for engine in (TransformersEngine(text, 4096), ScriptedEngine(text, lambda prompt, sample: "1")):
        with pytest.raises(UserError, match="takes text alone"):
            engine.generate([image])
    with pytest.raises(UserError, match="loaded for text alone"):
        image_prompt(text, Prompt("How many?"), BARS[:1])


def test_what_is_no_image_and_what_reads_like_a_mark_are_refused() -> None:
    policy = tiny_llava()
    with pytest.raises(UserError, match="can't be opened"):
        model_inputs(policy, image_prompt(policy, Prompt("How many?"), [b"no picture"]))
    with pytest.raises(UserError, match="refuses a prompt"):
        model_inputs(policy, image_prompt(policy, Prompt("What is <image>?"), BARS[:1]))


def test_what_is_transparent_is_white() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(file, "PNG")
    assert opened(file.getvalue()).getpixel((0, 0)) == (255, 255, 255)
