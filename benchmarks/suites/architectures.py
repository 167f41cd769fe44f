"""Public architectures without their weights: a model and the inputs of one call of it, by name."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Architecture:
    """A class of ``transformers`` in its default configuration.

    Attributes:
        inputs: shapes by the names of arguments; those that end in ``ids`` are whole numbers.
        options: of the configuration, where they are not the default.
        device: the CPU for what looks at values, such as routers of experts.
        dtype: of the model, and of inputs that are no whole numbers.
    """

    inputs: Mapping[str, tuple[int, ...]]
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str = "meta"
    dtype: torch.dtype = torch.float32


TEXT = Architecture({"input_ids": (1, 64)})
PAIR = Architecture({"input_ids": (1, 64), "decoder_input_ids": (1, 32)})
EXPERTS = Architecture(
    {"input_ids": (1, 64)}, dtype=torch.bfloat16
)  # grouped products of no other type on meta
EAGER = {"attn_implementation": "eager"}  # the other looks at values of the mask
EAGER_TEXT = Architecture(TEXT.inputs, EAGER)
EAGER_PAIR = Architecture(PAIR.inputs, EAGER)
PIXELS = Architecture({"pixel_values": (1, 3, 224, 224)})
BOTH = Architecture({"input_ids": (1, 64), "pixel_values": (1, 3, 224, 224)})
WAVEFORM = Architecture({"input_values": (1, 16_000)})
CODEC = Architecture({"input_values": (1, 1, 24_000)})


def _features(*shape: int, decoder: int = 0, name: str = "input_features", **options: Any) -> Architecture:
    inputs: dict[str, tuple[int, ...]] = {name: shape}
    if decoder:
        inputs["decoder_input_ids"] = (1, decoder)
    return Architecture(inputs, options)


def _on_cpu(architecture: Architecture, **options: Any) -> Architecture:
    return Architecture(architecture.inputs, options, "cpu")


def _named(architecture: Architecture, names: str) -> dict[str, Architecture]:
    return dict.fromkeys(names.split(), architecture)


#: By the name of the class.
TRANSFORMERS: Mapping[str, Architecture] = {
    **_named(
        TEXT,
        """BertModel RobertaModel AlbertModel DistilBertModel ElectraModel MPNetModel MobileBertModel
        YosoModel LayoutLMModel DebertaModel DebertaV2Model FunnelModel FNetModel
        ModernBertModel GPT2Model GPTNeoModel GPTNeoXModel GPTJModel GPTBigCodeModel CodeGenModel OPTModel
        BloomModel FalconModel MptModel LlamaModel MistralModel Qwen2Model Qwen3Model GemmaModel Gemma2Model
        PhiModel Phi3Model StableLmModel OlmoModel CohereModel Starcoder2Model PersimmonModel SmolLM3Model
        XGLMModel HeliumModel GlmModel MambaModel Mamba2Model RecurrentGemmaModel Zamba2Model
        Lfm2Model xLSTMModel""",
    ),
    "RwkvModel": Architecture({"input_ids": (1, 16)}),
    **_named(
        EXPERTS,
        """MixtralModel Qwen2MoeModel Qwen3MoeModel Qwen3NextModel OlmoeModel DeepseekV3Model JambaModel
        MiniMaxModel""",
    ),
    **_named(PAIR, "T5Model MT5Model UMT5Model LongT5Model PegasusXModel ProphetNetModel FSMTModel"),
    **_named(EAGER_TEXT, "BioGptModel"),
    **_named(
        EAGER_PAIR,
        """BartModel MBartModel BlenderbotModel PegasusModel MarianModel M2M100Model PLBartModel""",
    ),
    **_named(
        PIXELS,
        """ViTModel DeiTModel BeitModel SwinModel Swinv2Model ConvNextModel ConvNextV2Model ResNetModel
        RegNetModel MobileNetV1Model MobileNetV2Model MobileViTModel MobileViTV2Model EfficientNetModel
        LevitModel PoolFormerModel SegformerModel Dinov2Model HieraModel PvtModel PvtV2Model CvtModel BitModel
        FocalNetModel ViTMAEModel DINOv3ViTModel IJepaModel YolosModel GLPNModel SwiftFormerModel TextNetModel
        RTDetrModel MaskFormerModel DPTModel VitDetModel CLIPVisionModel SiglipVisionModel""",
    ),
    **_named(BOTH, "CLIPModel SiglipModel"),
    **_named(
        WAVEFORM,
        """Wav2Vec2Model Wav2Vec2ConformerModel HubertModel WavLMModel SEWModel UniSpeechModel
        UniSpeechSatModel Data2VecAudioModel""",
    ),
    "DacModel": CODEC,
    **_named(_on_cpu(CODEC), "EncodecModel MimiModel"),
    "MoonshineModel": _features(1, 16_000, name="input_values", decoder=32),
    "SpeechT5ForSpeechToText": _features(1, 16_000, name="input_values", decoder=32),
    "SpeechT5HifiGan": _features(1, 100, 80, name="spectrogram"),
    "UnivNetModel": _features(1, 100, 100),
    "ASTModel": _features(1, 1024, 128, name="input_values"),
    "ClapAudioModel": _features(1, 1, 1001, 64),
    "WhisperModel": _features(1, 80, 3000, decoder=32),
    "Qwen2AudioEncoder": _features(1, 128, 3000),
    "VoxtralEncoder": _features(1, 128, 3000),
    "Speech2TextModel": _features(1, 584, 80, decoder=32),
    "Wav2Vec2BertModel": _features(1, 200, 160),
    "ParakeetEncoder": _features(1, 200, 80),
    "MusicgenForCausalLM": Architecture({"input_ids": (4, 64)}),
    "VideoMAEModel": _features(1, 16, 3, 224, 224, name="pixel_values"),
    "TimesformerModel": _features(1, 8, 3, 224, 224, name="pixel_values"),
    "VivitModel": _features(1, 32, 3, 224, 224, name="pixel_values"),
    "PatchTSTModel": _features(1, 32, 1, name="past_values"),
    **_named(
        _on_cpu(TEXT, num_hidden_layers=2),
        """SqueezeBertModel ConvBertModel RoFormerModel NystromformerModel MegatronBertModel IBertModel
        LongformerModel BigBirdModel""",
    ),
    "EsmModel": _on_cpu(TEXT, num_hidden_layers=2, vocab_size=33, pad_token_id=1),
    "SEWDModel": _on_cpu(WAVEFORM, num_hidden_layers=2),
    "RemBertModel": _on_cpu(TEXT, num_hidden_layers=2, vocab_size=1000),
    "XLNetModel": _on_cpu(TEXT, n_layer=2),
    "LEDModel": _on_cpu(PAIR, encoder_layers=2, decoder_layers=2),
    "Pop2PianoForConditionalGeneration": _on_cpu(_features(1, 64, 512, decoder=32), num_layers=2),
    "PerceiverModel": _on_cpu(_features(1, 512, 768, name="inputs"), num_self_attends_per_block=2),
    "CanineModel": _on_cpu(TEXT, num_hidden_layers=2),
    "ReformerModel": _on_cpu(TEXT),
    "XLMModel": _on_cpu(TEXT, emb_dim=256, n_layers=2, n_heads=4),
    "SwitchTransformersModel": _on_cpu(PAIR, num_layers=2, num_decoder_layers=2),
    "NllbMoeModel": _on_cpu(
        PAIR,
        d_model=128,
        encoder_layers=4,
        decoder_layers=4,
        encoder_ffn_dim=256,
        decoder_ffn_dim=256,
        num_experts=8,
        vocab_size=1000,
    ),
    "GptOssModel": _on_cpu(
        TEXT,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_local_experts=4,
        vocab_size=1000,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
    ),
}


def transformers_model(name: str, *, device: str | None = None) -> tuple[nn.Module, Inputs]:
    """A model of ``transformers`` by the name of its class, in eval mode, and the inputs of a call."""
    import transformers

    architecture = TRANSFORMERS[name]
    kind = getattr(transformers, name)
    inputs = {}
    with torch.device(device or architecture.device):
        model = kind(kind.config_class(**architecture.options)).eval().to(architecture.dtype)
        for argument, shape in architecture.inputs.items():
            dtype = torch.long if argument.endswith("ids") else architecture.dtype
            inputs[argument] = torch.zeros(shape, dtype=dtype)
    if architecture.device == "meta" and "input_ids" in inputs:
        model.config.pad_token_id = None  # or it looks at values, to warn of padding
    return model, inputs


def timm_names() -> list[str]:
    """Two models, the first and the middle one, of every module of timm."""
    timm = _timm()
    families: dict[str, list[str]] = {}
    for name in timm.list_models():
        families.setdefault(timm.models._registry._model_to_module[name], []).append(name)
    return [name for names in families.values() for name in dict.fromkeys((names[0], names[len(names) // 2]))]


def timm_model(name: str) -> tuple[nn.Module, Inputs]:
    """A model of timm, in eval mode, and pixels of the size that it was made for."""
    with torch.device("meta"):
        model = _timm().create_model(name).eval()
        return model, {"x": torch.zeros(1, *model.default_cfg["input_size"])}


@contextmanager
def _stand_in_for_torchvision() -> Iterator[None]:
    """Names of torchvision that timm imports for its loaders of images, and that none of its models runs."""
    if importlib.util.find_spec("torchvision"):
        yield
        return
    for name in _IMPORTED:
        sys.modules[name] = _Anything(name)
    try:
        yield
    finally:
        for name in _IMPORTED:
            del sys.modules[name]


#: Packages that timm imports from.
_IMPORTED = tuple(
    f"torchvision{part}"
    for part in (
        "", ".ops", ".ops.misc", ".transforms", ".transforms.functional", ".datasets", ".models",
        ".models.feature_extraction",
    )
)  # fmt: skip


class _Names(type):
    """A class that has any attribute."""

    def __getattr__(cls, name: str) -> str:
        return name


class _Anything(types.ModuleType):
    """A package that has any class, and the packages in it."""

    __path__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return sys.modules.get(f"{self.__name__}.{name}") or _Names(name, (), {})


@cache
def _timm() -> types.ModuleType:
    with _stand_in_for_torchvision():
        import timm
    return timm
