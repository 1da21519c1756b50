"""Image-text models of random weights, with a processor and a tokenizer, made on the spot."""

from pathlib import Path

import torch
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ProcessorMixin,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor

from azr.policy.model import Policy
from tests.azr.rollout.tiny import byte_tokenizer

# A turn begins with its role, and ends with a token that no config names.
TEMPLATE = (
    "{% for message in messages %}<turn>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}IMAGE{% else %}{{ part.text }}{% endif %}{% endfor %}<over>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn>assistant\n{% endif %}"
)
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 1024,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": 0,
}


def tokenizer_with(*marks: str) -> PreTrainedTokenizerFast:
    """The byte tokenizer with turns and these marks; the first new token has id 257."""
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>", "<over>", *marks]})
    return tokenizer


def strong(model: PreTrainedModel) -> PreTrainedModel:
    """The model with weights large enough that it has clear preferences, and that an image moves them."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    return model.eval()


def tiny_llava(seed: int = 0) -> Policy:
    """CLIP's vision (9 patches an image) before a Llama."""
    torch.manual_seed(seed)
    tokenizer = tokenizer_with("<image>")
    template = TEMPLATE.replace("IMAGE", "<image>")
    images = CLIPImageProcessorPil(size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30})
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=10,
        vision_feature_select_strategy="default",
        chat_template=template,
        num_additional_image_tokens=1,
    )
    vision = CLIPVisionConfig(
        hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=30, patch_size=10
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=LlamaConfig(vocab_size=len(tokenizer), **TEXT),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=9,
    )
    model = strong(LlavaForConditionalGeneration(config))
    return Policy(model, tokenizer, torch.device("cpu"), source="tiny", processor=processor)


def tiny_idefics(seed: int = 0) -> Policy:
    """Idefics3, which cuts an image into tiles of 32 by 32 pixels, four tokens each."""
    torch.manual_seed(seed)
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = tokenizer_with("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *tiles)
    images = Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    # The processor lets no other special tokens stand.
    template = TEMPLATE.replace("IMAGE", "<image>").replace("<over>", "<end_of_utterance>")
    processor = Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=template)
    vision = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = Idefics3Config(
        vision_config=vision | {"image_size": 32, "patch_size": 8},
        text_config={"vocab_size": len(tokenizer)} | TEXT,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=0,
        scale_factor=2,
    )
    model = strong(Idefics3ForConditionalGeneration(config))
    return Policy(model, tokenizer, torch.device("cpu"), source="tiny", processor=processor)


class StillProcessor(Qwen2VLProcessor):
    """Qwen's processor without its half for films, which wants torchvision."""

    def __init__(
        self,
        image_processor: Qwen2VLImageProcessorPil | None = None,
        tokenizer: PreTrainedTokenizerFast | None = None,
        chat_template: str | None = None,
    ) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def tiny_qwen_vl(seed: int = 0) -> Policy:
    """Qwen2-VL, which takes images of any size and moves the positions of what follows them."""
    torch.manual_seed(seed)
    tokenizer = tokenizer_with("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    template = TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    images = Qwen2VLImageProcessorPil(patch_size=8, merge_size=2, size={"shortest_edge": 256, "longest_edge": 2304})
    processor = StillProcessor(images, tokenizer, template)
    ids = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(mark) for name, mark in (
        ("image", "<|image_pad|>"), ("video", "<|video_pad|>"),
        ("vision_start", "<|vision_start|>"), ("vision_end", "<|vision_end|>"),
    )}  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]}
    config = Qwen2VLConfig(
        text_config={"vocab_size": len(tokenizer), "rope_parameters": rope} | TEXT,
        vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "patch_size": 8, "mlp_ratio": 2},
        **ids,
    )
    model = strong(Qwen2VLForConditionalGeneration(config))
    return Policy(model, tokenizer, torch.device("cpu"), source="tiny", processor=processor)


def written(policy: Policy, folder: Path) -> Path:
    """A folder that an evaluation can name."""
    policy.base.save_pretrained(folder)
    assert policy.processor is not None
    policy.processor.save_pretrained(folder)
    return folder
