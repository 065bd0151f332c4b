"""fast_init: every random fill inside the block is ours, and what is not is counted; with a model, it has a name."""

import copy
import functools
import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode

import fastinit as fi
import fastinit.torch as ft
from fastinit import _core

TRUNC_NORMAL = nn.init.trunc_normal_  # as libraries keep it from their import on
WRAPPED = ("_no_grad_trunc_normal_", "orthogonal_", "sparse_", "normal_", "uniform_", "kaiming_uniform_")
OWN = {name: getattr(nn.init, name) for name in (*WRAPPED, "_calculate_fan_in_and_fan_out")}
REGISTER = nn.Module.register_parameter


def law(scheme, *arguments, number=0, shape=(4, 4), **keywords):
    return torch.from_numpy(scheme(shape, *arguments, seed=7, name=f"#{number}", **keywords))


BOUND = 3**0.5 * (nn.init.calculate_gain("leaky_relu", 5**0.5) / 4**0.5)
SEEN = {
    "normal_": (lambda t: t.normal_(1, std=2), law(fi.normal, 1, 2)),
    "uniform_": (lambda t: t.uniform_(), law(fi.uniform)),
    "uniform_ from to": (lambda t: t.uniform_(**{"from": -1, "to": 2}), law(fi.uniform, -1, 2)),
    "uniform_ to": (lambda t: t.uniform_(-1, to=2), law(fi.uniform, -1, 2)),
    "uniform_ to alone": (lambda t: t.uniform_(to=0.5), law(fi.uniform, 0, 0.5)),
    "randn": (lambda t: torch.randn(4, 4), law(fi.normal)),
    "rand": (lambda t: torch.rand((4, 4), generator=None), law(fi.uniform)),
    "randn_like": (torch.randn_like, law(fi.normal)),
    "rand_like": (lambda t: torch.rand_like(input=t), law(fi.uniform)),
    "normal": (lambda t: torch.normal(1.0, 2.0, (4, 4)), law(fi.normal, 1, 2)),
    "normal size": (lambda t: torch.normal(mean=1.0, std=2.0, size=(4, 4)), law(fi.normal, 1, 2)),
    "init.normal_": (nn.init.normal_, law(fi.normal)),
    "init.uniform_": (lambda t: nn.init.uniform_(t, b=2.0), law(fi.uniform, 0, 2)),
    "init.kaiming_uniform_": (lambda t: nn.init.kaiming_uniform_(t, 5**0.5), law(fi.uniform, -BOUND, BOUND)),
    "init.xavier_normal_": (nn.init.xavier_normal_, law(fi.glorot_normal)),
    "init.trunc_normal_": (lambda t: nn.init.trunc_normal_(t, std=2.0), law(fi.truncated_normal, 0, 2, -1, 1)),
    "kept trunc_normal_": (lambda t: TRUNC_NORMAL(t, std=2.0), law(fi.truncated_normal, 0, 2, -1, 1)),
    "init.orthogonal_": (lambda t: nn.init.orthogonal_(t, 2), law(fi.orthogonal, gain=2, in_axis=1, out_axis=0)),
    "init.sparse_": (lambda t: nn.init.sparse_(t, 0.5), law(fi.sparse, 0.5)),
    "ours": (ft.normal_, law(fi.normal)),
    "our xavier_normal_": (ft.xavier_normal_, law(fi.glorot_normal)),
    "our trunc_normal_": (lambda t: ft.trunc_normal_(t, std=2.0), law(fi.truncated_normal, 0, 2, -1, 1)),
    "our orthogonal_": (ft.orthogonal_, law(fi.orthogonal, in_axis=1, out_axis=0)),
    "our sparse_": (lambda t: ft.sparse_(t, 0.5), law(fi.sparse, 0.5)),
    "under torch.device": (lambda t: under_device(t), law(fi.truncated_normal, 0, 2, -1, 1)),
}


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("name", ["normal_", "uniform_", "kaiming_uniform_"])
def test_a_generator_given_in_its_place_is_heeded(name, seed):
    """As the one that is named, small tensors or not; what is none is refused as torch does."""
    rest = {"normal_": (0.0, 1.0), "uniform_": (0.0, 1.0), "kaiming_uniform_": (0.0, "fan_in", "relu")}[name]
    for shape in ((4, 4), (200, 200)):
        with ft.fast_init(seed=seed):
            fill, own = getattr(nn.init, name), torch.Generator().manual_seed(3)
            before = torch.random.get_rng_state()
            placed = fill(torch.zeros(shape), *rest, own)
            state = own.get_state()
        with ft.fast_init(seed=seed):
            named = fill(torch.zeros(shape), *rest, generator=own.manual_seed(3))
        assert torch.equal(placed, named)
        assert torch.equal(state, own.get_state()) and torch.equal(before, torch.random.get_rng_state())
        with ft.fast_init(seed=seed) as fast, pytest.raises(TypeError, match=r"'generator' must be torch.Generator"):
            fill(torch.zeros(shape), *rest, 5)
        assert fast.filled == 0


def under_device(tensor):
    with torch.device("cpu"):
        return nn.init.trunc_normal_(tensor, std=2.0)


@pytest.mark.parametrize(("call", "values"), SEEN.values(), ids=SEEN)
def test_what_is_seen(call, values):
    before = torch.get_rng_state()
    tensor = torch.empty(4, 4)
    with ft.fast_init(seed=7) as fast:
        result = call(tensor)
    assert torch.equal(result, values)
    assert fast.filled == 1 and not fast.left_to_torch
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_seed_torchs_generators_govern():
    def made(seed, **keywords):
        torch.manual_seed(seed)
        with ft.fast_init(**keywords):
            return nn.Linear(8, 8), torch.randn(3)

    linear, values = made(0)
    again, _ = made(0)
    other, _ = made(1)
    assert torch.equal(linear.weight, again.weight) and torch.equal(linear.bias, again.bias)
    assert not torch.equal(linear.weight, other.weight)
    torch.manual_seed(0)
    tensors = [ft.kaiming_uniform_(torch.empty(8, 8), 5**0.5), ft.uniform_(torch.empty(8), -(8**-0.5), 8**-0.5)]
    assert torch.equal(linear.weight, tensors[0]) and torch.equal(linear.bias, tensors[1])
    assert torch.equal(values, ft.normal_(torch.empty(3)))
    generator = torch.Generator().manual_seed(0)
    with ft.fast_init():
        drawn = nn.init.normal_(nn.Parameter(torch.empty(5)), generator=generator)
    assert torch.equal(drawn, ft.normal_(torch.empty(5), generator=torch.Generator().manual_seed(0)))


def projections(key):
    """As adapters have them that store the key alone, and draw again where they are loaded."""
    generator = torch.Generator().manual_seed(key)
    uniform = torch.empty(4, 6).uniform_(-0.5, 0.5, generator=generator)
    made = [nn.init.kaiming_uniform_(torch.empty(4, 6), generator=generator), torch.randn(3, generator=generator)]
    return [uniform, *made, torch.normal(0.0, 2.0, (2, 3), generator=generator)]


@pytest.mark.parametrize("keywords", [{}, {"seed": 1}, {"seed": 1, "model": nn.Linear(6, 4)}])
@pytest.mark.filterwarnings("ignore:fast_init")
def test_what_a_named_generator_draws_for_no_parameter_is_torchs(keywords):
    """It is the same inside as outside, where it is drawn again from the key; a parameter is stored, and ours."""
    linear = keywords.get("model", nn.Linear(6, 4))
    with ft.fast_init(**keywords) as fast:
        inside = projections(3)
        nn.init.normal_(linear.weight, generator=torch.Generator().manual_seed(0))
    assert all(map(torch.equal, inside, projections(3)))
    assert fast.filled == 1 and fast.left_to_torch == {"uniform_": 1, "kaiming_uniform_": 1, "randn": 1, "normal": 1}
    if "model" in keywords:
        assert torch.equal(linear.weight, torch.from_numpy(fi.normal((4, 6), seed=1, name="weight")))


ANNOUNCED = {name: OWN[name] for name in WRAPPED[3:]}


class Sees(TorchFunctionMode):
    """What is announced to other modes, and in which words."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen = func, args, sorted(kwargs or {})
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ANNOUNCED)
def test_a_block_changes_nothing_in_what_others_are_told_of_a_call(name):
    with Sees() as alone:
        getattr(nn.init, name)(torch.empty(4, 4))
    with ft.fast_init(seed=7) as fast, Sees() as inside:
        getattr(nn.init, name)(torch.empty(4, 4))
    with Sees() as outside, ft.fast_init(seed=7) as left:
        getattr(nn.init, name)(torch._neg_view(torch.empty(4, 4)))
    assert alone.seen[0] is ANNOUNCED[name] and alone.seen == inside.seen == outside.seen
    assert fast.filled == 1 and left.left_to_torch == {name: 1}


def test_the_fans_of_a_tensor_are_read_past_a_block_and_seen_by_other_modes():
    with Sees() as other, ft.fast_init():
        assert nn.init._calculate_fan_in_and_fan_out(torch.empty(3, 5)) == (5, 3)
    assert other.seen[0] is Tensor.dim


def test_to_register_a_parameter_is_seen_by_other_modes_and_what_its_hooks_draw_by_the_block():
    def redraw(module, name, parameter):
        return nn.Parameter(torch.randn(4, 4))

    with Sees() as other, ft.fast_init():
        assert nn.Module.register_parameter is not REGISTER
        nn.Module().register_parameter(name="weight", param=nn.Parameter(torch.empty(3)))
        nn.Module().weight = nn.Parameter(torch.empty(3))
    assert other.seen[0].__self__ is Tensor.grad_fn and nn.Module.register_parameter is REGISTER
    module, hook = nn.Module(), torch.nn.modules.module.register_module_parameter_registration_hook(redraw)
    try:
        with ft.fast_init(seed=7) as fast:
            module.weight = nn.Parameter(torch.empty(3))
    finally:
        hook.remove()
    assert torch.equal(module.weight, law(fi.normal)) and fast.filled == 1
    with ft.fast_init(), pytest.raises(ValueError, match=r"^Cannot assign non-leaf Tensor to parameter 'grown'"):
        module.grown = as_parameter(module.weight * 2)


@pytest.mark.parametrize("shape", [(4, 4), (200, 200)])
def test_where_all_is_fake_what_is_not_is_refused_by_torch(shape):
    tensor = torch.zeros(shape)
    with ft.fast_init(seed=7), FakeTensorMode(), pytest.raises(AssertionError, match="convert all Tensors to FakeTens"):
        nn.init.normal_(tensor)
    assert not tensor.any()


class Lazy(nn.Module):
    """One that makes what it is asked for."""

    def __getattr__(self, name):
        if name == "weight" and "drawn" not in vars(self):
            vars(self)["drawn"] = torch.randn(4, 4)
        return super().__getattr__(name)


def test_what_a_module_draws_where_a_parameter_is_registered_is_seen_by_the_block():
    with ft.fast_init(seed=7) as fast:
        module = Lazy()
        module.weight = nn.Parameter(torch.empty(3))
    assert torch.equal(module.drawn, law(fi.normal)) and fast.filled == 1


def as_parameter(tensor):
    """One of torch's type that is not a leaf."""
    parameter = nn.Parameter(torch.empty_like(tensor))
    with torch.no_grad():
        parameter.detach_()
    return parameter.requires_grad_().view_as(parameter).as_subclass(nn.Parameter)


def test_fills_of_a_block_are_numbered():
    with ft.fast_init(seed=7) as fast:
        values = [
            torch.randn(4, 4),
            torch.empty(0).normal_(),
            torch.rand(4, 4),
            torch.empty(3, device="meta").normal_(),
        ]
    assert torch.equal(values[0], law(fi.normal)) and torch.equal(values[2], law(fi.uniform, number=1))
    assert repr(fast) == "fast_init(filled=2, left_to_torch={})"


@pytest.mark.parametrize(
    "module", [nn.Linear(5, 3), nn.Conv2d(4, 6, 3, groups=2), nn.LSTM(3, 4), nn.Embedding(5, 3, 1)]
)
def test_modules_leave_nothing_to_torch(module):
    with ft.fast_init(seed=0) as fast:
        module.reset_parameters()
    assert fast.filled and not fast.left_to_torch
    if isinstance(module, nn.Embedding):
        assert not module.weight[1].any() and module.weight[0].any()


def tracked():
    leaf = torch.ones(4, 4, requires_grad=True)
    return (leaf * 2).normal_()


LEFT = {
    "bernoulli_": lambda: torch.empty(4, 4).bernoulli_(),
    "bernoulli": lambda: torch.full((4, 4), 0.5).bernoulli(),
    "multinomial": lambda: torch.ones(5).multinomial(2),
    "binomial": lambda: torch.binomial(torch.full((3,), 9.0), torch.full((3,), 0.5)),
    "_standard_gamma": lambda: torch.distributions.Gamma(torch.ones(3), 1.0).sample(),
    "gumbel_softmax": lambda: nn.functional.gumbel_softmax(torch.ones(3)),
    "dropout": lambda: nn.Dropout()(torch.ones(9)),
    "alpha_dropout": lambda: nn.AlphaDropout()(torch.ones(9)),
    "randperm": lambda: torch.randperm(5),
    "randn": lambda: torch.randn(4, dtype=torch.complex64),
    "normal_": tracked,
    "normal": lambda: torch.normal(torch.zeros(3), 1.0),
    "trunc_normal_": lambda: nn.init.trunc_normal_(torch.empty(3), 0.0, 0.1, 1.0, 1.2),
    "uniform_": lambda: torch.empty(4, dtype=torch.complex64).conj().imag.uniform_(),
}


@pytest.mark.parametrize(("name", "call"), LEFT.items(), ids=LEFT)
@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
def test_what_is_left_to_torch_is_counted(name, call):
    torch.manual_seed(0)
    alone = call()
    torch.manual_seed(0)
    with ft.fast_init(seed=7) as fast:
        inside = call()
    assert torch.equal(alone, inside) and fast.left_to_torch == {name: 1}
    assert alone.requires_grad == inside.requires_grad


def test_without_training_nothing_is_dropped():
    with ft.fast_init(seed=7) as fast:
        nn.Dropout().eval()(torch.ones(9))
    assert not fast.left_to_torch


FOLLOWED = {
    "repeated": lambda f: torch.func.vmap(f, randomness="different")(torch.zeros(2, 3)),
    "recorded": lambda f: make_fx(f)(torch.zeros(3))(torch.zeros(3)),
    "traced": lambda f: torch.jit.trace(f, torch.zeros(3), check_trace=False)(torch.zeros(3)),
}


@pytest.mark.parametrize("follow", FOLLOWED.values(), ids=FOLLOWED)
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:`torch.jit:DeprecationWarning")
def test_calls_that_are_repeated_or_recorded_stay_torchs(follow):
    """What we wrote would be the same in every row, or missing from the record."""

    def draw(x):
        return torch.randn(3) + ft.normal_(x.clone())

    torch.manual_seed(0)
    alone = follow(lambda x: torch.randn(3) + nn.init.normal_(x.clone()))
    torch.manual_seed(0)
    with ft.fast_init(seed=7) as fast:
        inside = follow(draw)
    assert torch.equal(alone, inside) and not fast.filled


def test_what_we_refuse_torch_may_refuse_itself():
    tensor = torch.zeros(3)
    with ft.fast_init(seed=0) as fast, pytest.raises(RuntimeError, match="normal expects std >= 0"):
        tensor.normal_(0, -1)
    with ft.fast_init(seed=0), pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        nn.Parameter(tensor).normal_()
    assert not tensor.any() and fast.left_to_torch == {"normal_": 1}


def test_functions_are_wrapped_for_the_block_only():
    def here():
        return {name: getattr(nn.init, name) for name in OWN}

    def fail():
        with ft.fast_init():
            with ft.fast_init():
                assert all(here()[name] is not own for name, own in OWN.items())
            assert all(here()[name] is not own for name, own in OWN.items())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert here() == OWN
    try:
        with ft.fast_init():
            nn.init.sparse_ = print
        assert nn.init.sparse_ is print
    finally:
        nn.init.sparse_ = OWN["sparse_"]
    assert here() == OWN


def test_functions_that_others_have_replaced(monkeypatch):
    """As transformers does, around torch's own."""
    for name in ("normal_", "kaiming_uniform_"):
        own = getattr(nn.init, name)
        around = functools.wraps(own)(lambda *arguments, own=own, **keywords: own(*arguments, **keywords))
        monkeypatch.setattr(nn.init, name, around)
    with ft.fast_init(seed=7) as fast:
        tensors = [nn.init.normal_(torch.empty(4, 4)), nn.init.kaiming_uniform_(torch.empty(4, 4), 5**0.5)]
    assert torch.equal(tensors[0], law(fi.normal)) and fast.filled == 2
    assert torch.equal(tensors[1], law(fi.uniform, -BOUND, BOUND, number=1))


def test_another_thread_is_not_inside():
    def fill():
        generator = torch.Generator().manual_seed(0)
        return nn.init.orthogonal_(TRUNC_NORMAL(torch.empty(3, 3), generator=generator), generator=generator)

    results = []
    with ft.fast_init(seed=0) as fast:
        thread = threading.Thread(target=lambda: results.append(fill()))
        thread.start()
        thread.join()
    assert fast.filled == 0 and torch.equal(results[0], fill())


def test_blocks_in_blocks():
    with ft.fast_init(seed=1) as outer, ft.fast_init(seed=7) as inner:
        first = torch.randn(4, 4)
        torch.randperm(3)
    assert torch.equal(first, law(fi.normal))
    assert (outer.filled, inner.filled) == (0, 1)
    assert outer.left_to_torch == inner.left_to_torch == {"randperm": 1}


def test_other_devices():
    with ft.fast_init(seed=0) as fast, torch.device("meta"):
        assert nn.Linear(3, 3).weight.is_meta and torch.randn(3).is_meta
    try:
        torch.set_default_device("meta")
        with ft.fast_init(seed=0) as fast:
            assert nn.Linear(3, 3).weight.is_meta
    finally:
        torch.set_default_device(None)
    assert fast.filled == 0 and not fast.left_to_torch


def test_what_is_made_keeps_its_manners():
    with ft.fast_init(seed=7):
        made = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
        out = torch.empty(4, 4)
        assert torch.rand(4, 4, out=out) is out
    assert made.requires_grad and made.is_leaf and made.dtype is torch.float64
    assert torch.equal(out, law(fi.uniform, number=1))


def test_large_pages_are_asked_for_under_the_storage(monkeypatch):
    """Of each tensor; which of it can have them, the core tells (test_machine.py)."""
    asked = []
    monkeypatch.setattr(_core, "advise_large_pages", lambda address, size: asked.append((address, size)))
    with ft.fast_init(seed=0, large_pages=True):
        small, large = torch.randn(1000), torch.randn(3, 1 << 20)
        part = large[1:].uniform_()
    with ft.fast_init(seed=0):
        torch.randn(3, 1 << 20)
    assert asked == [(tensor.data_ptr(), tensor.nbytes) for tensor in (small, large, large)]
    assert np.array_equal(large[0], fi.normal(large.shape, seed=0, name="#1")[0])
    assert np.array_equal(part, fi.uniform(part.shape, seed=0, name="#2"))


def test_large_pages_change_no_value():
    with ft.fast_init(seed=0, large_pages=True):
        small, large = torch.randn(1000), torch.randn(3, 1 << 20)
    assert np.array_equal(small, fi.normal(small.shape, seed=0, name="#0"))
    assert np.array_equal(large, fi.normal(large.shape, seed=0, name="#1"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "fill", [lambda x: x.normal_(), lambda x: torch.rand(x.shape), lambda x: torch.nn.init.kaiming_uniform_(x) * 1]
)
def test_what_compiled_code_fills_is_torchs(fill):
    torch._dynamo.reset()
    with ft.fast_init(seed=7) as block:
        values = torch.compile(fill, backend="eager")(torch.zeros(10, 100))
    assert values.std() > 0 and block.filled == 0 and block.left_to_torch


@pytest.mark.slow
def test_compiled_code_runs_inside():
    layer = nn.Linear(4, 4)
    step = torch.compile(lambda x: layer(x) + torch.zeros(4), backend="eager")
    torch._dynamo.reset()
    x = torch.ones(2, 4)
    with ft.fast_init(seed=7):
        inside = step(x)
        values = torch.randn(4, 4)
    assert torch.equal(inside, layer(x)) and torch.equal(values, law(fi.normal))
    assert torch.equal(step(x), inside)


def test_entered_again_it_goes_on():
    """What two blocks do under one object is what one block would do."""

    def layers():
        return nn.Linear(8, 8), torch.randn(3), nn.init.orthogonal_(torch.empty(4, 4))

    with ft.fast_init(seed=7) as fast:
        once = [*layers(), *layers()]
    fast = ft.fast_init(seed=7)
    twice = []
    for block in range(2):
        with fast as entered:
            twice += layers()
        assert entered is fast and fast.filled == 4 * (block + 1)
    for one, other in zip(once, twice, strict=True):
        for tensor in ("weight", "bias") if isinstance(one, nn.Module) else ("data",):
            assert torch.equal(getattr(one, tensor), getattr(other, tensor))
    assert nn.init.orthogonal_ is OWN["orthogonal_"]


def test_entered_again_with_a_model():
    """Each block finds the tensors anew, and warns of what was done in it alone."""

    def named(name, *shape):
        return torch.from_numpy(fi.normal(shape, seed=7, name=name))

    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    fast = ft.fast_init(seed=7, model=model)

    def first():
        with fast:
            nn.init.normal_(model[0].weight)
            torch.randn(3)
            model[1].weight = model[0].weight

    with pytest.warns(UserWarning, match="depend on the layout") as caught:
        first()
    told = "1 fills on no tensor of the model, 0.weight and 1.weight were tied inside (tie them before)"
    assert [str(one.message) for one in caught] == [f"fast_init: these values depend on the layout: {told}"]
    model[1].bias = nn.Parameter(torch.empty(4))
    with fast:
        nn.init.normal_(model[1].bias)
        assert torch.equal(model[1].bias, named("1.bias", 4))
        nn.init.normal_(model[1].weight)
        assert torch.equal(model[0].weight, named("0.weight#1", 4, 4))
    assert (fast.filled, fast.unnamed) == (4, 1)


def test_a_block_within_its_own_is_refused():
    rule = "`fast_init` must be left before it is entered again (a block within its block needs one of its own), got "
    fast, other = ft.fast_init(seed=7), ft.fast_init(seed=8)
    with fast:
        with pytest.raises(RuntimeError) as refused, fast:
            raise AssertionError
        assert str(refused.value) == f"{rule}{fast!r}"
        with other:
            theirs = torch.randn(3)
        ours = torch.randn(3)
    assert torch.equal(theirs, torch.from_numpy(fi.normal(3, seed=8, name="#0")))
    assert torch.equal(ours, law(fi.normal, shape=3))
    assert (fast.filled, other.filled) == (1, 1) and nn.init.orthogonal_ is OWN["orthogonal_"]
    with pytest.raises(ZeroDivisionError), fast:
        raise ZeroDivisionError
    with fast:  # an error leaves it as it was
        assert torch.equal(torch.randn(3), law(fi.normal, shape=3, number=1))


def test_refused():
    with pytest.raises(ValueError) as raised:
        ft.fast_init(model=nn.Linear(2, 2))
    assert str(raised.value) == "`seed` must be given where model is (a rank alone would draw another), got None"
    for name, value in (("rename", str), ("partition", (0, 2))):
        with pytest.raises(ValueError) as raised:
            ft.fast_init(seed=0, **{name: value})
        assert str(raised.value) == f"`model` must be given where {name} is, got None"


def copied(make):
    """A way to fill a tensor from what is made of it."""

    def fill(t):
        with torch.no_grad():
            t.copy_(make(t))

    return fill


def drawn(*tensors):
    return [nn.init.trunc_normal_(one, std=0.5) for one in tensors]


MADE = {
    "new_empty": copied(lambda t: torch.cat(drawn(*(t.new_empty(2, 4) for _ in range(3))))),
    "new_zeros": copied(lambda t: torch.vstack(drawn(t.new_zeros(5, 4), t.new_zeros(1, 4)))),
    "zeros_like": copied(lambda t: torch.zeros_like(t).normal_()),
    "full_like": copied(lambda t: nn.init.xavier_uniform_(torch.full_like(t, 2.0))),
    "clone": copied(lambda t: t.clone().uniform_()),
    "detached clone": copied(lambda t: t.detach().clone().data.uniform_()),
    "float64": copied(lambda t: nn.init.orthogonal_(t.double())),
    "chunks": copied(lambda t: torch.cat(drawn(*torch.empty_like(t).chunk(3)))),
    "chunks of another shape": copied(lambda t: torch.cat(drawn(*t.new_empty(6, 8).chunk(2, 1))[:1])),
    "stack": copied(lambda t: nn.init.normal_(torch.stack([t.new_empty(4) for _ in range(6)]))),
    "turned": copied(lambda t: nn.init.normal_(t.new_empty(4, 6)).T),
    "randn_like of a part": copied(lambda t: torch.cat([torch.randn_like(t[:2]), torch.rand_like(t[2:])])),
    "arithmetic": copied(lambda t: nn.init.normal_(t * 0)),
    "memory for its own": lambda t: setattr(t, "data", torch.randn_like(t)),
    "memory drawn before": lambda t: setattr(t, "data", torch.empty_like(t).normal_()),
    "swapped": lambda t: torch.utils.swap_tensors(t, nn.Parameter(torch.randn_like(t))),
    "made of two": lambda t: copied(lambda t: nn.init.normal_(torch.cat([t, t.clone()]))[6:])(t),
}


def model_of(layers):
    return nn.ModuleDict({str(number): nn.Linear(4, 6) for number in layers})


def filled_by(fill, layers):
    model = model_of(layers)
    with ft.fast_init(model=model, seed=5) as fast:
        for layer in model.values():
            fill(layer.weight)
    assert fast.filled and not fast.unnamed
    return {name: tensor.detach() for name, tensor in model.named_parameters() if name.endswith("weight")}


@pytest.mark.parametrize("fill", MADE.values(), ids=MADE)
def test_what_is_made_from_a_tensor_has_its_name_whatever_came_before(fill):
    """So a stage of a pipeline has the weights of the whole model, and no layer those of another."""
    whole = filled_by(fill, range(4))
    for layers in ([0, 1], [2, 3], [3, 0]):
        for name, tensor in filled_by(fill, layers).items():
            assert torch.equal(tensor, whole[name]), name
    assert len({tuple(tensor.flatten().tolist()) for tensor in whole.values()}) == 4


def test_draws_on_what_is_made_are_numbered_with_those_on_the_tensor():
    def named(number, *shape):
        return torch.from_numpy(fi.normal(shape, seed=5, name=f"weight#{number}" if number else "weight"))

    model = nn.Linear(4, 6)
    with ft.fast_init(model=model, seed=5):
        first, second = (model.weight.new_empty(3) for _ in range(2))
        for one in (second, model.weight, first, model.weight):
            nn.init.normal_(one)
    assert torch.equal(second, named(0, 3)) and torch.equal(first, named(2, 3))
    assert torch.equal(model.weight, named(3, 6, 4))
    with ft.fast_init(model=model, seed=5):  # a part of what has its shape has its place
        like = torch.empty_like(model.weight)
        like[2:4].normal_()
        part = torch.randn_like(model.weight[1:5, :2])
    assert torch.equal(like[2:4], named(0, 6, 4)[2:4]) and torch.equal(part, named(1, 6, 4)[1:5, :2])


def test_memory_that_was_a_parameters_is_that_of_what_has_it_now():
    model, other = model_of(range(4)), model_of(range(4))

    def draw(casts):
        with ft.fast_init(model=model, seed=5) as fast:
            if casts:
                model.double()
                model.float()
            [torch.randn(6, 4) for _ in range(9)]
            by_apply(model)
        return fast

    for casts in (True, False):
        with pytest.warns(UserWarning, match="9 fills on no tensor of the model"):
            assert draw(casts).unnamed == 9
        ft.initialize_(other, seed=5)
        assert all(map(torch.equal, model.parameters(), other.parameters()))


def test_what_is_made_from_others_too_or_from_a_size_is_not_named():
    model = nn.Linear(4, 6)

    def draw():
        with ft.fast_init(model=model, seed=5) as fast:
            nn.init.normal_(model.weight.detach() @ torch.ones(4, 2))
            nn.init.normal_(torch.empty(model.weight.shape))
        return fast

    with pytest.warns(UserWarning, match="depend on the layout") as caught:
        assert draw().unnamed == 2
    message = "fast_init: these values depend on the layout: 2 fills on no tensor of the model"
    assert [str(one.message) for one in caught] == [message]


def test_what_is_made_from_a_part_that_knows_of_no_whole_is_not_named():
    """Every rank would draw the same; of the shape of the part it has the place of that."""
    holder = nn.Module()
    holder.w = nn.Parameter(torch.zeros(3, 4))
    holder.w.tensor_model_parallel, holder.w.partition_dim = True, 0
    with ft.fast_init(model=holder, seed=5, partition=(1, 2)):
        like = torch.randn_like(holder.w)
        holder.w.data.copy_(like)
    assert torch.equal(holder.w, torch.from_numpy(fi.normal((6, 4), seed=5, name="w"))[3:])

    def draw():
        with ft.fast_init(model=holder, seed=5, partition=(1, 2)):
            holder.w.new_empty(5).normal_()  # and the parameter is left

    with pytest.warns(UserWarning, match="1 fills on no tensor of the model"):
        draw()


class Fused(nn.Linear):
    """Drawn part by part, as trainers do."""

    def reset_parameters(self):
        self.weight.detach().copy_(torch.cat([nn.init.normal_(self.weight.new_empty(2, 4)) for _ in range(3)]))
        nn.init.zeros_(self.bias)


def test_a_plan_tells_what_is_put_together_from_what_is_made():
    assert [entry.description for entry in ft.plan(Fused(4, 6))] == ["computed by its module", "zeros()"]
    model = Fused(4, 6)
    ft.initialize_(model, seed=5)
    parts = [fi.normal((2, 4), seed=5, name=f"weight{number}") for number in ("", "#1", "#2")]
    assert torch.equal(model.weight, torch.from_numpy(np.concatenate(parts)))
    assert ft.verify(model, seed=5).unchecked == ("weight",)


class Twice(nn.Linear):
    """Two draws of one law on one tensor, by two methods, and a number that says how many times it was reset."""

    def reset_parameters(self):
        self.first()
        nn.init.normal_(self.weight)
        self.bias.data.uniform_()

    def first(self):
        nn.init.normal_(self.weight)


def by_apply(model):
    model.apply(lambda module: getattr(module, "reset_parameters", lambda: None)())


def by_loop(model):
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()


def by_tensors(model):
    for module in model.modules():
        if isinstance(getattr(module, "weight", None), torch.Tensor):
            nn.init.normal_(module.weight.data)
            nn.init.uniform_(module.weight[:2])
            module.bias.data.normal_(std=0.1)


def twice(way):
    def both(model):
        way(model)
        way(model)

    return both


WAYS = {"apply": by_apply, "loop": by_loop, "tensors": by_tensors}
WAYS |= {f"{name} twice": twice(way) for name, way in WAYS.items()} | {"both": lambda m: (by_tensors(m), by_apply(m))}


def compiled(module):
    return torch.compile(module, backend="eager")


WRAPPERS = {
    "checkpoint": checkpoint_wrapper,
    "compiled": compiled,
    "compiled checkpoint": lambda module: compiled(checkpoint_wrapper(module)),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_layer_come_to_again_through_its_wrappers_is_that_of_the_plain_model(wrap, way):
    def made(wrap):
        model = nn.Sequential(*(wrap(make(4, 6)) for make in (nn.Linear, Fused, Twice)), nn.Linear(4, 6))
        with ft.fast_init(model=model, seed=5):
            way(model)
        return {ft.canonical_name(name): tensor.detach() for name, tensor in model.named_parameters()}

    plain, wrapped = made(lambda module: module), made(wrap)
    assert plain.keys() == wrapped.keys()
    assert [name for name in plain if not torch.equal(plain[name], wrapped[name])] == []


class HandsOn(nn.Module):
    """A wrapper of one's own."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("wrap", [HandsOn, lambda one: HandsOn(HandsOn(one)), lambda one: HandsOn(compiled(one))])
def test_a_wrapper_is_one_by_what_it_hands_on(wrap, way):
    def made(model):
        with ft.fast_init(model=model, seed=5, rename=lambda name: name.replace("inner.", "")):
            way(model)
        return [tensor.detach() for tensor in model.parameters()]

    assert all(map(torch.equal, made(nn.Sequential(Fused(4, 6))), made(nn.Sequential(wrap(Fused(4, 6))))))


def test_a_call_by_one_way_is_no_repetition():
    """A trainer's code goes through the wrapper alone, and may draw again."""
    plain, inner = Fused(4, 6), Fused(4, 6)
    wrapper = checkpoint_wrapper(inner)
    for model, one in ((plain, plain), (wrapper, wrapper), (wrapper, inner)):
        with ft.fast_init(model=model, seed=5):
            one.reset_parameters()
            before = one.weight.detach().clone()
            one.reset_parameters()
        assert not torch.equal(one.weight, before) and torch.equal(one.weight, plain.weight)


def test_wrapped_modules_are_left_as_they_were():
    inner = Fused(4, 6)
    model = checkpoint_wrapper(inner)
    before = set(vars(inner)), set(vars(model))
    with ft.fast_init(model=model, seed=5):
        other = copy.deepcopy(model)
        model.reset_parameters()
    with pytest.raises(ZeroDivisionError), ft.fast_init(model=model, seed=5):
        raise ZeroDivisionError
    assert (set(vars(inner)), set(vars(model))) == before
    kept = inner.weight.detach().clone()
    other.reset_parameters()  # its own
    assert torch.equal(inner.weight, kept) and not torch.equal(other.weight, kept)


IDLE = (
    "fast_init: nothing was written to the model's parameters in this block (libraries skip what they have initialised "
    "before; initialize_ fills every parameter)"
)


def test_a_block_that_leaves_the_parameters_as_they_were_says_so():
    model, fast = nn.Linear(3, 3), None

    def idle(fast):
        with fast:
            torch.zeros(3).add_(model.weight.sum().detach())

    fast = ft.fast_init(model=model, seed=5)
    for _ in range(2):
        with pytest.warns(UserWarning, match="nothing was written") as caught:
            idle(fast)
        assert [str(one.message) for one in caught] == [IDLE] and caught[0].filename == __file__
        with fast:
            model.reset_parameters()


@pytest.mark.parametrize(
    "write",
    [
        lambda model: nn.init.zeros_(model.weight),
        lambda model: model.bias.data.fill_(1.0),
        lambda model: model.weight.data.__setitem__(0, 1.0),
        lambda model: setattr(model, "bias", nn.Parameter(torch.ones(3))),
        lambda model: model.load_state_dict(nn.Linear(3, 3, device="cpu").state_dict()),
        lambda model: nn.init.eye_(model.weight),
        lambda model: ft.initialize_(model, [("*", "ones")]),
    ],
)
def test_a_block_that_writes_otherwise_says_nothing(write, recwarn):
    model = nn.Linear(3, 3)
    with ft.fast_init(model=model, seed=5):
        write(model)
    with ft.fast_init(model=nn.ReLU(), seed=5):  # which has none
        pass
    with pytest.raises(ZeroDivisionError), ft.fast_init(model=model, seed=5):
        raise ZeroDivisionError
    assert [str(one.message) for one in recwarn if IDLE in str(one.message)] == []
