"""Writes vision.json: pooling, nearest resize and normalisation in torch float64, with gradients."""

import torch
import torch.nn.functional as F

from golden import floats, write

ABOUT = (
    "Pooling, nearest resize and normalisation in torch float64. Every case: options (torch's names are in "
    "make_vision.py), x and seed (exact in float32), output, and gradients of sum(seed * output): 'x', and 'scale' and "
    "'bias' where there are parameters. second: the gradient of sum(seed2 * gradients.x) with respect to x and seed, "
    "of the normalisations. Arrays are nested as their shape. ties: whole numbers of which many are equal; torch "
    "gives the gradient of a window to the first of its largest, row by row. rmsNorm (not in this torch): "
    "x / sqrt(mean(x*x) + epsilon) * scale."
)
random = torch.Generator().manual_seed(20)


def drawn(*shape):
    return torch.randint(-512, 513, shape, generator=random).to(torch.float64) / 256  # few digits


def tied(*shape):
    return torch.randint(0, 3, shape, generator=random).to(torch.float64)


def case(name, options, call, x, parameters=None):
    """One case: the output, its gradients, and the gradients of the gradient of x."""
    leaves = {"x": x.clone().requires_grad_()}
    for key, value in (parameters or {}).items():
        leaves[key] = value.clone().requires_grad_()
    output = call(leaves)
    seed = drawn(*output.shape).requires_grad_()
    gradients = torch.autograd.grad((seed * output).sum(), list(leaves.values()), create_graph=True)
    result = {
        "name": name,
        "options": options,
        "x": floats(x),
        **{key: floats(value) for key, value in (parameters or {}).items()},
        "seed": floats(seed),
        "output": floats(output),
        "gradients": {key: floats(value) for key, value in zip(leaves, gradients)},
    }
    if parameters is not None:  # the others are linear in the seed, and flat in x
        seed2 = drawn(*x.shape)
        second = torch.autograd.grad((seed2 * gradients[0]).sum(), [leaves["x"], seed])
        result["seed2"] = floats(seed2)
        result["second"] = {"x": floats(second[0]), "seed": floats(second[1])}
    return result


cases = []


def pool(kind, x, size, stride=None, padding=0, **more):
    stride = size if stride is None else stride
    f = {
        ("max", 3): F.max_pool1d,
        ("max", 4): F.max_pool2d,
        ("average", 3): F.avg_pool1d,
        ("average", 4): F.avg_pool2d,
    }[kind, x.dim()]
    options = {"size": size, "stride": stride, "padding": padding}
    if kind == "average":
        options["countPadding"] = more.get("count_include_pad", True)
    cases.append(
        case(f"{kind}Pool", options, lambda leaves: f(leaves["x"], size, stride, padding, **more), x)
    )


for draw in (drawn, tied):
    pool("max", draw(2, 2, 4, 6), 2)
    pool("max", draw(2, 1, 5, 7), [2, 3])  # parts are left over
    pool("max", draw(2, 1, 7, 5), 3, 2, 1)  # windows overlap and reach beyond the edge
    pool("max", draw(1, 2, 5, 4), 3, 1, 1)
    pool("max", draw(2, 1, 5, 5), 2, 2, 1)
    pool("max", draw(2, 1, 7, 5), 2, 3)  # gaps between windows
    pool("max", draw(2, 1, 6, 5), [3, 1], [3, 2], [1, 0])
    pool("max", draw(2, 2, 9), 3)
    pool("max", draw(2, 1, 8), 3, 2, 1)
pool("average", drawn(2, 2, 4, 6), 2)
pool("average", drawn(2, 1, 5, 7), [2, 3])
pool("average", drawn(2, 1, 7, 5), 3, 2, 1)
pool("average", drawn(2, 1, 7, 5), 3, 2, 1, count_include_pad=False)
pool("average", drawn(1, 2, 5, 4), [3, 2], 1, [1, 0], count_include_pad=False)
pool("average", drawn(2, 1, 7, 5), 2, 3)
pool("average", drawn(2, 2, 9), 3)
pool("average", drawn(2, 1, 8), 3, 2, 1, count_include_pad=False)
for shape in ((2, 3, 3, 5), (2, 3, 7)):
    cases.append(
        case(
            "globalAveragePool",
            {},
            lambda leaves, axes=tuple(range(2, len(shape))): leaves["x"].mean(axes),
            drawn(*shape),
        )
    )
for shape, scale in (((2, 2, 3, 2), 2), ((1, 2, 2, 3), [3, 1]), ((2, 1, 5), 3)):
    cases.append(
        case(
            "resizeNearest",
            {"scale": scale},
            lambda leaves, scale=scale: F.interpolate(
                leaves["x"], scale_factor=scale, mode="nearest"
            ),
            drawn(*shape),
        )
    )


def rms_norm(x, scale, epsilon):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + epsilon) * scale


for shape, axes, epsilon in (((3, 7), 1, 1e-5), ((2, 3, 5), 1, 1e-2), ((2, 3, 4), 2, 1e-5)):
    sizes = shape[-axes:]
    cases.append(
        case(
            "layerNorm",
            {"axes": axes, "epsilon": epsilon},
            lambda leaves, sizes=sizes, epsilon=epsilon: F.layer_norm(
                leaves["x"], sizes, leaves["scale"], leaves["bias"], epsilon
            ),
            drawn(*shape) + 3,  # away from 0, so that the mean matters
            {"scale": drawn(*sizes), "bias": drawn(*sizes)},
        )
    )
for shape, epsilon in (((3, 7), 2.0**-23), ((2, 3, 5), 1e-2)):
    cases.append(
        case(
            "rmsNorm",
            {"epsilon": epsilon},
            lambda leaves, epsilon=epsilon: rms_norm(leaves["x"], leaves["scale"], epsilon),
            drawn(*shape),
            {"scale": drawn(shape[-1])},
        )
    )
for shape, groups, epsilon in (((2, 4, 3, 3), 2, 1e-5), ((2, 3, 5), 3, 1e-2), ((3, 6), 2, 1e-5), ((2, 4, 2, 3), 1, 1e-5)):
    cases.append(
        case(
            "groupNorm",
            {"groups": groups, "epsilon": epsilon},
            lambda leaves, groups=groups, epsilon=epsilon: F.group_norm(
                leaves["x"], groups, leaves["scale"], leaves["bias"], epsilon
            ),
            drawn(*shape) + 3,
            {"scale": drawn(shape[1]), "bias": drawn(shape[1])},
        )
    )

write(__file__, ABOUT, {"cases": cases})
