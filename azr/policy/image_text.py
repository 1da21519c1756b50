"""A model that takes images beside text: loading one, and what it is asked.

It is asked and never trained here. What its family does with an image (cut, scaled, widened to so many tokens) is its
processor's business, and which words go around it its chat template's.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, BatchFeature, ProcessorMixin

from azr.config.fields import ModelConfig
from azr.errors import UserError
from azr.policy.device import resolve_device
from azr.policy.model import DTYPES, Policy, first_line, no_progress_bars, resolve_source
from tasks.triplet import Prompt


@dataclass(frozen=True, slots=True)
class ImagePrompt:
    """A prompt as the chat template gives it, with a mark where each of `images` goes: files' contents, in order."""

    text: str
    images: tuple[bytes, ...]


def load_image_policy(config: ModelConfig) -> Policy:
    """Load an image-text model and its processor, in evaluation mode, on the device that `config` names.

    Raises UserError if the model can't be found or has no image processor or chat template, or the device is not there.
    """
    device = resolve_device(config.device)
    source = resolve_source(config.name)
    with no_progress_bars():
        processor = _load_processor(source, config.revision)
        try:
            model = AutoModelForImageTextToText.from_pretrained(
                source, revision=config.revision, dtype=DTYPES[config.precision], attn_implementation="sdpa"
            )
        except (OSError, ValueError) as error:
            raise UserError(f"image-text model {source!r} can't be loaded: {first_line(error)}") from error
    return Policy(model.to(device).eval(), processor.tokenizer, device, source, config.revision, processor)


def _load_processor(source: str, revision: str | None) -> ProcessorMixin:
    try:
        processor = AutoProcessor.from_pretrained(source, revision=revision)
    except ImportError as error:  # Qwen's and others' want torchvision
        lack = first_line(error).partition(". ")[0]
        raise UserError(
            f"the processor of {source!r} can't be loaded: {lack}; install the one for this torch"
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"the processor of {source!r} can't be loaded: {first_line(error)}") from error
    if not isinstance(processor, ProcessorMixin) or getattr(processor, "image_processor", None) is None:
        raise UserError(
            f"{source!r} has no image processor, so it can't be asked about images: name an image-text model"
        )
    processor.chat_template = processor.chat_template or processor.tokenizer.chat_template
    if processor.chat_template is None:
        raise UserError(f"{source!r} has no chat template, which would say where in a prompt an image goes")
    return processor


def image_prompt(policy: Policy, prompt: Prompt, images: Sequence[bytes]) -> ImagePrompt:
    """The prompt with its images. Raises UserError where the policy takes text alone."""
    return ImagePrompt(chat_text(policy, prompt, len(images)), tuple(images))


def chat_text(policy: Policy, prompt: Prompt, images: int) -> str:
    """The prompt as the user's message of a chat, the marks of so many images first.

    `prompt.answer_prefix` opens the assistant's turn. Raises UserError where the policy takes text alone.
    """
    if policy.processor is None:
        raise UserError(f"{policy.source!r} was loaded for text alone, and is asked about an image")
    words = {"type": "text", "text": prompt.text.removesuffix(prompt.answer_prefix)}
    message = {"role": "user", "content": [*({"type": "image"} for _ in range(images)), words]}
    text = policy.processor.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    return str(text) + prompt.answer_prefix


def model_inputs(policy: Policy, prompt: ImagePrompt) -> BatchFeature:
    """What the model's forward pass takes, a batch of one: `input_ids` [1, tokens], with each mark widened, and pixels.

    Raises UserError for an image that can't be opened, and for words that the model takes for the mark of an image.
    """
    assert policy.processor is not None
    images = [opened(image) for image in prompt.images] or None
    specials = _adds_special_tokens(policy, prompt.text)
    try:
        found = policy.processor(text=[prompt.text], images=images, add_special_tokens=specials, return_tensors="pt")
    except (ValueError, StopIteration) as error:
        reason = "it has more marks than images" if isinstance(error, StopIteration) else first_line(error)
        raise UserError(f"the processor of {policy.source!r} refuses a prompt: {reason}") from error
    return found.to(policy.device, policy.base.dtype)


def text_ids(policy: Policy, text: str) -> tuple[int, ...]:
    """The token ids of what `chat_text` gives, each image one mark among them."""
    return tuple(policy.tokenizer(text, add_special_tokens=_adds_special_tokens(policy, text))["input_ids"])


def _adds_special_tokens(policy: Policy, text: str) -> bool:
    """Whether the tokenizer's own special tokens are wanted: where the template has not written the first of them.

    transformers' processors decide it so; LLaVA's template, for one, leaves the first token to the tokenizer.
    """
    first = policy.tokenizer.bos_token
    return first is None or not text.startswith(first)


def opened(content: bytes) -> Image.Image:
    """An image file's picture in RGB, on white where it is transparent. Raises UserError if the content is no image."""
    try:
        picture: Image.Image = Image.open(io.BytesIO(content))
        if not picture.has_transparency_data:
            return picture.convert("RGB")
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"an image can't be opened: {first_line(error)}") from error
