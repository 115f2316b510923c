"""The networks of bench_train.py in PyTorch, one model at a time: what we are compared with.

Layers, numbers of parameters, batches, number format, augmentation and optimiser are ours; images
rest on the device as uint8, where batches are gathered. Eager with channels_last, compiled by
torch.compile, and on a GPU compiled with CUDA graphs. A GPT attends by
scaled_dot_product_attention, which picks the fastest of PyTorch's kernels.
"""

import functools

import torch
from alternate import Contenders
from torch import nn
from torch.nn import functional

from lira_jax.models import gpt
from lira_jax.models.table import FAMILIES

CLASSES = 10


class Network(nn.Module):
    """`body` computes in the experiment's number format, `head` in float32. Images are NHWC."""

    def __init__(self, body, head, dtype):
        super().__init__()
        self.body, self.head, self.dtype = body, head, dtype

    def forward(self, x):
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype != torch.float32):
            x = self.body(x)
        return self.head(x.float())


class ChannelsFirst(nn.Module):
    def forward(self, x):
        return x.permute(0, 3, 1, 2)  # in memory still NHWC, which is channels_last


class GlobalMean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3), dtype=torch.float32)


class Block(nn.Module):
    """Pre-activation, the projection from the activated input."""

    def __init__(self, inputs, features, stride):
        super().__init__()
        self.first, self.second = nn.BatchNorm2d(inputs), nn.BatchNorm2d(features)
        self.conv1 = nn.Conv2d(inputs, features, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(features, features, 3, 1, 1, bias=False)
        needed = stride > 1 or inputs != features
        self.projection = nn.Conv2d(inputs, features, 1, stride, bias=False) if needed else None

    def forward(self, x):
        active = functional.relu(self.first(x))
        y = self.conv2(functional.relu(self.second(self.conv1(active))))
        return y + (self.projection(active) if self.projection else x)


class PostActivation(nn.Module):
    """The block of ResNet-18 and 34."""

    def __init__(self, inputs, features, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, features, 3, stride, 1, bias=False),
            nn.BatchNorm2d(features),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, 1, 1, bias=False),
            nn.BatchNorm2d(features),
        )
        self.projection = nn.Sequential()
        if stride > 1 or inputs != features:
            self.projection.append(nn.Conv2d(inputs, features, 1, stride, bias=False))
            self.projection.append(nn.BatchNorm2d(features))

    def forward(self, x):
        return functional.relu(self.body(x) + self.projection(x))


def mlp(e, shape):
    sizes = (shape[0] * shape[1] * shape[2], *e.hidden)
    layers = [
        layer
        for a, b in zip(sizes, e.hidden, strict=False)
        for layer in (nn.Linear(a, b), nn.ReLU())
    ]
    return nn.Sequential(nn.Flatten(), *layers), nn.Linear(sizes[-1], CLASSES)


def cnn(e, shape):
    layers, w = (
        [ChannelsFirst(), nn.Conv2d(shape[-1], e.width, 3, padding=1), nn.LeakyReLU()],
        e.width,
    )
    for _ in range(3):
        layers += [
            nn.Conv2d(w, w, 3, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(w, 2 * w, 3, padding=1),
            nn.LeakyReLU(),
        ]
        layers += [nn.AvgPool2d(2)]
        w *= 2
    return nn.Sequential(*layers), nn.Sequential(nn.Conv2d(w, CLASSES, 3, padding=1), GlobalMean())


def wide_resnet(e, shape):
    layers, inputs = [ChannelsFirst(), nn.Conv2d(shape[-1], 16, 3, padding=1, bias=False)], 16
    for group in range(3):
        for block in range((e.depth - 4) // 6):
            features = 16 * e.width << group
            layers.append(Block(inputs, features, 2 if group > 0 and block == 0 else 1))
            inputs = features
    return nn.Sequential(*layers, nn.BatchNorm2d(inputs), nn.ReLU(), GlobalMean()), nn.Linear(
        inputs, CLASSES
    )


def resnet(e, shape):
    layers = [ChannelsFirst(), nn.Conv2d(shape[-1], 64, 3, padding=1, bias=False)]
    layers += [nn.BatchNorm2d(64), nn.ReLU()]
    inputs = 64
    for group, blocks in enumerate({18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}[e.depth]):
        for block in range(blocks):
            features = 64 << group
            layers.append(PostActivation(inputs, features, 2 if group and not block else 1))
            inputs = features
    return nn.Sequential(*layers, GlobalMean()), nn.Linear(inputs, CLASSES)


NETWORKS = {"mlp": mlp, "cnn": cnn, "wide_resnet": wide_resnet, "resnet": resnet}


class Decoder(nn.Module):
    """A block of a GPT."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_dense = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.qkv, self.attention = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, h):
        batch, length, width = h.shape
        heads = self.qkv(self.norm_attention(h)).view(batch, length, 3, self.heads, -1)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.attention(y.transpose(1, 2).reshape(batch, length, width))
        wide = functional.gelu(self.wide(self.norm_dense(h)), approximate="tanh")
        return h + self.narrow(wide)


class Gpt(nn.Module):
    """Logits at t are of token t, as ours are (lira_jax/models/gpt.py)."""

    def __init__(self, depth, width, length, vocabulary, dtype):
        super().__init__()
        self.dtype, heads = dtype, gpt.number_of_heads(width, False)
        self.tokens = nn.Embedding(vocabulary, width)
        self.start = nn.Parameter(torch.empty(width))
        self.positions = nn.Parameter(torch.empty(length, width))
        self.blocks = nn.Sequential(*(Decoder(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, 1e-6)
        for weights in (self.tokens.weight, self.start, self.positions):
            nn.init.normal_(weights, std=0.02)

    def forward(self, x):
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype != torch.float32):
            first = self.start.expand(len(x), 1, -1)
            h = torch.cat([first, self.tokens(x[:, :-1])], 1) + self.positions
            return functional.linear(self.norm(self.blocks(h)), self.tokens.weight).float()


def network_of(case):
    """A new network of a bench_train.Case, in training mode."""
    e, dtype = case.experiment, getattr(torch, case.experiment.compute_dtype)
    if case.vocabulary:
        size = {n: getattr(e, n) or FAMILIES[e.model].options[n] for n in ("depth", "width")}
        return Gpt(**size, length=case.shape[0], vocabulary=case.vocabulary, dtype=dtype)
    return Network(*NETWORKS[e.model](e, case.shape), dtype)


def random_view(images, index, shift):
    """As lira_jax/data/augment.py: mirrored and shifted at random over reflect padding."""
    batch, height, width = len(index), *images.shape[1:3]

    def reflect(position, size):
        position = position.abs()
        return torch.minimum(position, 2 * (size - 1) - position)

    dy, dx = torch.randint(-shift, shift + 1, (2, batch, 1), device=images.device)
    rows = reflect(torch.arange(height, device=images.device) + dy, height)
    columns = reflect(torch.arange(width, device=images.device) + dx, width)
    mirror = torch.rand(batch, 1, device=images.device) < 0.5
    columns = torch.where(mirror, width - 1 - columns, columns)
    return images[index[:, None, None], rows[:, :, None], columns[:, None, :]]


def loss_of(network, x, y):
    return functional.cross_entropy(network(x), y)


def loss_of_text(network, x, _):
    return functional.cross_entropy(network(x).flatten(0, 1), x.flatten())


def contenders(case) -> Contenders:
    """Builds the networks of a bench_train.Case, each trained for the case's steps in one run."""
    e, device = case.experiment, torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU, as XLA's default
    networks = [network_of(case) for _ in range(e.num_models)]
    networks = [
        network.to(device, memory_format=torch.channels_last).train() for network in networks
    ]
    optimizers = [_optimizer(network, e) for network in networks]
    x, y = case.data()
    images, labels = torch.from_numpy(x).to(device), torch.from_numpy(y).long().to(device)
    images = images.long() if case.vocabulary else images
    members = torch.arange(case.steps * e.batch_size, device=device)

    def train(loss):
        for network, optimizer in zip(networks, optimizers, strict=True):
            for index in members.split(e.batch_size):
                view = images[index] if e.augment == "none" else random_view(images, index, e.shift)
                if not case.vocabulary:
                    view = view.float() * (1 / 127.5) - 1
                optimizer.zero_grad()
                loss(network, view, labels[index]).backward()
                if e.clip_norm:
                    nn.utils.clip_grad_norm_(network.parameters(), e.clip_norm)
                optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    loss = loss_of_text if case.vocabulary else loss_of
    runs = {
        "PyTorch, eager": functools.partial(train, loss),
        "PyTorch, compiled": functools.partial(train, torch.compile(loss)),
    }
    if device.type == "cuda":
        graphs = torch.compile(loss, mode="reduce-overhead")
        runs["PyTorch, CUDA graphs"] = functools.partial(train, graphs)
    parameters = sum(p.numel() for p in networks[0].parameters())
    where = (
        torch.cuda.get_device_name()
        if device.type == "cuda"
        else f"cpu, {torch.get_num_threads()} threads"
    )
    return Contenders(
        {"about": f"PyTorch {torch.__version__}, {where}", "parameters": parameters}, runs
    )


def scoring(case) -> Contenders:
    """Logits and phi of all examples under fresh networks of a bench_score.Case, on the host."""
    e, device = case.experiment, torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = getattr(torch, e.compute_dtype)
    networks = [
        Network(*NETWORKS[e.model](e, case.x.shape[1:]), dtype)
        .to(device, memory_format=torch.channels_last)
        .eval()
        for _ in range(e.num_models)
    ]
    images, labels = torch.from_numpy(case.x).to(device), torch.from_numpy(case.y).long().to(device)

    @torch.inference_mode()
    def score(forward):
        for network in networks:
            for index in torch.arange(len(labels), device=device).split(case.batch):
                logits = forward(network, images[index].float() * (1 / 127.5) - 1)
                own = labels[index][:, None]
                others = logits.scatter(1, own, -torch.inf).logsumexp(1)
                (logits.gather(1, own)[:, 0] - others).cpu(), logits.cpu()

    def outputs(network, x):
        return network(x)

    return Contenders(
        {"about": f"PyTorch {torch.__version__}, {device}, {torch.get_num_threads()} threads"},
        {
            "PyTorch, eager": functools.partial(score, outputs),
            "PyTorch, compiled": functools.partial(score, torch.compile(outputs)),
        },
    )


def _optimizer(network, e):
    # Of a GPT, weights of dense layers alone decay, as ours; of others all that are no vector.
    names = ("tokens", "positions") if e.optimizer == "adamw" else ()
    named = [(n.startswith(names) or p.ndim <= 1, p) for n, p in network.named_parameters()]
    kernels, others = ([p for other, p in named if other == which] for which in (False, True))
    groups = [{"params": kernels, "weight_decay": e.weight_decay}, {"params": others}]
    groups = [g for g in groups if g["params"]]
    if e.optimizer == "adamw":
        betas = (e.momentum, e.beta2)
        return torch.optim.AdamW(groups, e.learning_rate, betas, fused=True)
    return torch.optim.SGD(groups, e.learning_rate, e.momentum, fused=True)
