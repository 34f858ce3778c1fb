"""Golden logits of a prior, from LlamaForCausalLM of transformers in float64.

Weights are value(NAME, i) with amplitude 1, those of norms 1 + value / 4. Writes llama.safetensors: `entries` [T], the
entries of the vocabulary that the places stand for, and `logits` [T, vocabulary]. Run: pip install torch transformers
safetensors numpy; python golden_llama.py
"""

import numpy
import torch
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from hashed_values import values

CODES, CLASSES, IDS, WIDTH = 11, 3, 12, 24

config = LlamaConfig(
    vocab_size=CODES + CLASSES + 1, hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=IDS, rms_norm_eps=1e-6,
    tie_word_embeddings=False, attention_bias=False, mlp_bias=False, attn_implementation="eager")
model = LlamaForCausalLM(config).double().eval()
with torch.no_grad():
    for name, parameter in model.named_parameters():
        numbers = numpy.asarray(values(name, parameter.shape), dtype=numpy.float64)
        numbers = 1 + numbers / 4 if "norm" in name else numbers
        parameter.copy_(torch.from_numpy(numbers.reshape(parameter.shape)))

# Class 1, then eleven ids.
entries = torch.tensor([[CODES + 1] + [(7 * i + 3) % CODES for i in range(IDS - 1)]])
with torch.no_grad():
    logits = model(entries).logits[0]
save_file(
    {"entries": entries[0].numpy().astype(numpy.int32), "logits": logits.numpy().astype(numpy.float32)},
    "llama.safetensors",
    {"transformers": __import__("transformers").__version__, "torch": torch.__version__})
print(logits[0, :4], logits[-1, :4])
