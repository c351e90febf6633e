"""Writes language.json: layers of sequences, and small models of them, in torch float64."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from golden import floats, write

ABOUT = (
    "Layers of sequences in torch float64, batch first. Every case has inputs (x or tokens, and mask: 1 real, 0 padding), "
    "parameters by the names that microbatch gives them (exact in float32, nested as their shapes), output, seed (the "
    "shape of the output, exact in float32) and the gradients of sum(seed*output) with respect to the parameters and, as "
    "'x', to x. attention: torch MultiheadAttention, size 4 per head; block: TransformerEncoderLayer with norm_first, gelu "
    "(erf), epsilon 1e-5 and a hidden layer of twice the features; lstm, gru: torch's, batch_first. rotary: (a, b) -> (a cos - b sin, b cos + a sin) for feature "
    "pairs (i, i + size / 2) at angle t / 10000^(2i / size). models: output is the loss per sample or token. encoder: "
    "embedding, learned positions, a block that sees no padding, norm, the first position, linear, cross entropy. gpt: "
    "embedding, learned positions, a causal block, norm, linear without bias, cross entropy per token; training: ten "
    "AdamW steps on the mean over all tokens from the initial parameters; losses[k] before step k, parametersAfter after "
    "step 10, float32Deviation: how far torch's own float32 run ends from them, keyBias left out: its gradient is 0 but for "
    "rounding, which AdamW turns into steps."
)
random = np.random.default_rng(11)


def draw(*shape, scale=1.0):
    """Sixty-fourths: exact in float32, and short to write."""
    return np.round(random.standard_normal(shape) * scale * 64) / 64


def tensor(values, grad=False):
    return torch.tensor(np.asarray(values), dtype=torch.float64, requires_grad=grad)


def fill(module):
    """Random parameters, norms around 1, none of them special."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            values = draw(*parameter.shape, scale=0.4)
            parameter.copy_(tensor(values + (1 if "norm" in name and name.endswith("weight") else 0)))
    return module.double().train()


RENAMED = {
    "self_attn.in_proj_": "attention.qkv.",
    "self_attn.out_proj.": "attention.output.",
    "in_proj_": "attention.qkv.",
    "out_proj.": "attention.output.",
    "linear1.": "expand.",
    "linear2.": "contract.",
    "norm1.": "attentionNorm.",
    "norm2.": "feedForwardNorm.",
}


def renamed(name):
    for old, new in RENAMED.items():
        if old in name:
            return name.replace(old, new)
    return name


def named(module):
    return {renamed(name): parameter for name, parameter in module.named_parameters()}


def case(name, module, output, names=named, **inputs):
    """Records the output and its gradients. inputs: lists, or tensors that want gradients."""
    seed = draw(*output.shape)
    (tensor(seed) * output).sum().backward()
    parameters = names(module) if module is not None else {}
    gradients = {key: floats(parameter.grad) for key, parameter in parameters.items()}
    x = inputs.get("x")
    if isinstance(x, torch.Tensor):
        gradients["x"] = floats(x.grad)
    return {
        "name": name,
        **{key: floats(value) if isinstance(value, torch.Tensor) else value for key, value in inputs.items()},
        "parameters": {key: floats(parameter) for key, parameter in parameters.items()},
        "output": floats(output),
        "seed": floats(seed),
        "gradients": gradients,
    }


MASK = [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]]
LATER = torch.ones(5, 5).triu(1).bool()


def hidden(mask):
    return None if mask is None else torch.tensor(mask) == 0


def embeddings():
    tokens = [[1, 0, 5, 1], [2, 2, 2, 2], [4, 1, 0, 3]]
    for name, padding in (("embedding", None), ("embedding with padding", 1)):
        table = nn.Embedding(6, 3, padding_idx=padding)
        with torch.no_grad():
            table.weight.copy_(tensor(draw(6, 3)))
        table.double()
        if padding is not None:  # torch keeps the row as it was set; the layer gives zeros whatever it holds
            with torch.no_grad():
                table.weight[padding] = 0
        yield case(name, table, table(torch.tensor(tokens)), lambda m: {"embedding.weight": m.weight}, tokens=tokens)


def attentions():
    for name, causal, mask in (
        ("attention", False, None),
        ("causal attention", True, None),
        ("padded attention", False, MASK),
        ("causal and padded attention", True, MASK),
    ):
        module = fill(nn.MultiheadAttention(8, 2, batch_first=True))
        x = tensor(draw(3, 5, 8), True)
        output, _ = module(x, x, x, attn_mask=LATER if causal else None, key_padding_mask=hidden(mask))
        yield case(name, module, output, x=x, causal=causal, **({"mask": mask} if mask else {}))


def encoder_layer(size=8):
    return nn.TransformerEncoderLayer(
        size, 2, dim_feedforward=2 * size, dropout=0, activation=F.gelu, batch_first=True, norm_first=True
    )


def blocks():
    for name, causal, mask in (("causal block", True, None), ("padded block", False, MASK)):
        module = fill(encoder_layer())
        x = tensor(draw(3, 5, 8), True)
        output = module(x, src_mask=LATER if causal else None, src_key_padding_mask=hidden(mask))
        prefixed = lambda m: {f"block.{key}": value for key, value in named(m).items()}
        yield case(name, module, output, prefixed, x=x, causal=causal, **({"mask": mask} if mask else {}))


OURS = {"weight_ih": "inputWeight", "weight_hh": "hiddenWeight", "bias_ih": "inputBias", "bias_hh": "hiddenBias"}


def recurrents():
    for kind, make in (("lstm", nn.LSTM), ("gru", nn.GRU)):
        for layers, bias in ((1, True), (1, False), (2, True)):
            module = fill(make(3, 4, layers, bias=bias, batch_first=True))
            x = tensor(draw(3, 6, 3), True)
            output, _ = module(x)

            def names(m):
                result = {}
                for key, value in m.named_parameters():
                    what, layer = key.rsplit("_l", 1)
                    owner = kind if layers == 1 else f"{kind}{int(layer) + 1}"
                    result[f"{owner}.{OURS[what]}"] = value
                return result

            name = f"{kind}, {layers} layers" + ("" if bias else ", no bias")
            yield case(name, module, output, names, x=x, kind=kind, layers=layers, bias=bias)


def angles(time, pairs, size):
    return torch.arange(time).double()[:, None] / 10000 ** (2 * torch.arange(pairs).double() / size)


def positions():
    x = tensor(draw(2, 2, 5, 4), True)
    cos, sin = angles(5, 2, 4).cos(), angles(5, 2, 4).sin()
    a, b = x[..., :2], x[..., 2:]
    yield case("rotary", None, torch.cat([a * cos - b * sin, b * cos + a * sin], -1), x=x)
    x = tensor(draw(2, 5, 6), True)
    table = torch.stack([angles(5, 3, 6).sin(), angles(5, 3, 6).cos()], -1).reshape(5, 6)
    yield case("sinusoidal", None, x + table, x=x)


class Stack(nn.Module):
    """Embedding, positions, a block, norm, linear."""

    def __init__(self, tokens, size, time, outputs, bias):
        super().__init__()
        self.embedding = nn.Embedding(tokens, size)
        self.positional = nn.Embedding(time, size)
        self.block = encoder_layer(size)
        self.norm = nn.LayerNorm(size)
        self.linear = nn.Linear(size, outputs, bias=bias)

    def forward(self, tokens, mask=None, causal=False):
        x = self.embedding(tokens) + self.positional.weight
        x = self.block(x, src_mask=LATER if causal else None, src_key_padding_mask=hidden(mask))
        return self.linear(self.norm(x))


def encoder():
    module = fill(Stack(7, 8, 5, 3, True))
    tokens, labels = random.integers(0, 7, (3, 5)).tolist(), [2, 0, 1]
    logits = module(torch.tensor(tokens), MASK)[:, 0]
    loss = F.cross_entropy(logits, torch.tensor(labels), reduction="none")
    yield case("encoder", module, loss, tokens=tokens, labels=labels, mask=MASK)


def mean_loss(module, tokens, labels):
    logits = module(torch.tensor(tokens), causal=True)
    return F.cross_entropy(logits.reshape(-1, 7), torch.tensor(labels).reshape(-1), reduction="none").reshape(4, 5)


def train(module, tokens, labels):
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01, weight_decay=0.01, foreach=False)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = mean_loss(module, tokens, labels).mean()
        losses.append(float(loss.detach()))
        loss.backward()
        optimizer.step()
    return losses


def without_key_bias(name, values):
    if not name.endswith("qkv.bias"):
        return values
    size = values.shape[0] // 3
    return torch.cat([values[:size], values[2 * size :]])


def gpt():
    module = fill(Stack(7, 8, 5, 7, False))
    text = random.integers(0, 7, (4, 6))
    tokens, labels = text[:, :-1].tolist(), text[:, 1:].tolist()
    start = {key: value.clone() for key, value in module.state_dict().items()}
    result = case("gpt", module, mean_loss(module, tokens, labels), tokens=tokens, labels=labels)
    losses = train(module, tokens, labels)
    single = Stack(7, 8, 5, 7, False).train().float()
    single.load_state_dict(start)
    train(single, tokens, labels)
    ended, rounded = named(module), named(single)
    apart = [
        float((without_key_bias(key, ended[key]) - without_key_bias(key, rounded[key]).double()).abs().max())
        for key in ended
    ]
    result["training"] = {
        "losses": losses,
        "parametersAfter": {key: floats(value) for key, value in ended.items()},
        "float32Deviation": float("%.2g" % max(apart)),
    }
    assert losses[-1] < losses[0]
    yield result


layers = [*embeddings(), *attentions(), *blocks(), *recurrents(), *positions()]
for each in layers:
    if each["name"] == "embedding with padding":
        assert not np.any(each["gradients"]["embedding.weight"][1])
write(__file__, ABOUT, {"layers": layers, "models": [*encoder(), *gpt()]})
