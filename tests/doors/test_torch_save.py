"""`fastinit.torch.save`: on disk is what `initialize_` would give the model, under the names that loaders ask for."""

import json
import math
import os
import sys
import warnings

import pytest
import torch
from conftest import refused
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import parametrizations

import fastinit as fi
import fastinit.torch as ft
from fastinit import checkpoints
from fastinit.cli import main


class Own(nn.Module):
    """Values that a constructor and a reset compute, buffers of all kinds, and an initialisation of its own."""

    def __init__(self):
        super().__init__()
        self.decay = nn.Parameter(torch.empty(3, 5))
        self.fc = nn.Linear(5, 7)
        self.register_buffer("steps", torch.zeros(3, dtype=torch.int64))
        self.register_buffer("mask", torch.zeros(3, 3, dtype=torch.bool))
        self.register_buffer("cache", torch.zeros(1 << 20), persistent=False)
        self.reset_parameters()

    def reset_parameters(self):
        with torch.no_grad():
            self.decay.copy_(torch.log(torch.arange(1.0, 6.0)).expand(3, 5))
            self.decay.mul_(1.5)
        self.steps.copy_(torch.arange(3))
        self.mask.copy_(torch.ones(3, 3, dtype=torch.bool).tril())

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, Own):
            module.reset_parameters()


class Tied(nn.Module):
    def __init__(self, keys):
        super().__init__()
        self.head, self.wte, self.out = nn.Linear(6, 40, bias=False), nn.Embedding(40, 6), nn.Linear(6, 6)
        self.head.weight = self.wte.weight
        self._tied_weights_keys = keys


def layers():
    return nn.Sequential(
        *(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Linear(6, 7), nn.Embedding(50, 9, padding_idx=-2)),
        *(nn.LayerNorm(7), nn.LSTM(3, 4, bidirectional=True), nn.ParameterList([torch.zeros(3), torch.zeros(2, 3)])),
    )


def reparametrised():
    return nn.Sequential(
        parametrizations.weight_norm(nn.Linear(8, 4)),
        parametrizations.spectral_norm(nn.Linear(4, 4)),
        parametrizations.orthogonal(nn.Linear(4, 4)),
        nn.utils.spectral_norm(nn.Linear(4, 5)),
    )


RULES = [
    ("[14].*", "torch"),
    ("6.*", "ones"),
    ("*bias*", "zeros"),
    ("3.*", "normal", {"std": 0.02}),
    ("*", "he_normal"),
]
WHOLE = [("6.0", "zeros"), ("6.1", "orthogonal"), ("5.weight*", "sparse", {"sparsity": 0.5}), *RULES[:1], *RULES[2:]]
CASES = {
    "plain": (layers, RULES),
    "whole": (layers, WHOLE),
    "own": (Own, "own"),
    "reset": (Own, "torch"),
    "tied": (lambda: Tied(None), "torch"),
    "reparametrised": (
        reparametrised,
        [("2.weight", "orthogonal"), ("*.bias", "zeros"), ("*", "lecun_normal")],
    ),
}


def on_meta(make):
    with torch.device("meta"):
        return make()


def saved(*arguments, **keywords):
    """All that is in the files."""
    files = ft.save(*arguments, **keywords)
    return {name: one for path in files if path.suffix == ".safetensors" for name, one in load_file(path).items()}


def initialised(make, rules, seed=3, dtype=None):
    model = make().to(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ft.initialize_(model, rules, seed)
    return model


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        assert found[name].dtype is one.dtype and torch.equal(found[name], one), name


@pytest.mark.filterwarnings("ignore:plan|save|initialize_:UserWarning")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", ["5GB", 90])
def test_on_disk_is_what_initialize_gives(tmp_path, monkeypatch, case, size):
    monkeypatch.setattr(checkpoints, "PIECE", 64)
    make, rules = CASES[case]
    expected = initialised(make, rules).state_dict()
    if case == "tied":
        del expected["wte.weight"]  # the second name, where nothing says that the first is tied to it
    model = make() if case == "reparametrised" else on_meta(make)
    before = [(one, one._version) for one in (*model.parameters(), *model.buffers())]
    found = saved(model, tmp_path, rules, 3, max_shard_size=size)
    assert_equal(found, expected)
    now = [(one, one._version) for one in (*model.parameters(), *model.buffers())]
    assert all(one is two and old == new for (one, old), (two, new) in zip(before, now, strict=True))
    assert (len(os.listdir(tmp_path)) > 2) == (size == 90)


@pytest.mark.parametrize("dtype", ["float16", torch.bfloat16, "float64"])
def test_floats_of_another_dtype(tmp_path, dtype):
    items = dtype if isinstance(dtype, torch.dtype) else getattr(torch, dtype)
    rules = [("6.1", "orthogonal"), *RULES]
    found = saved(on_meta(layers), tmp_path, rules, 3, dtype=dtype)
    assert_equal(found, initialised(layers, rules, dtype=items).state_dict())
    assert {one.dtype for one in found.values()} == {items, torch.int64}
    with pytest.raises(ValueError) as raised:
        ft.save(on_meta(layers), tmp_path / "no", rules, dtype=torch.int32)
    assert str(raised.value).startswith("`dtype` must be one of 'float16', 'float32', 'float64', 'bfloat16', got 'int3")


def test_tensors_of_several_dtypes_lie_at_multiples_of_their_items(tmp_path):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.brain = nn.Parameter(torch.zeros(3, dtype=torch.bfloat16))
            self.register_buffer("flags", torch.tensor([True, False, True]))
            self.register_buffer("eight", torch.ones(3).to(torch.float8_e5m2))
            self.register_buffer("wave", torch.tensor([1 + 2j]))
            self.register_buffer("count", torch.tensor(7, dtype=torch.int32))
            self.wide = nn.Parameter(torch.zeros(2, dtype=torch.float64))

    model = Mixed()
    assert_equal(
        saved(model, tmp_path, [("*", "ones")]),
        {name: torch.ones_like(one) if one.is_floating_point() else one for name, one in model.state_dict().items()},
    )
    data = (tmp_path / "model.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    begins = {name: one["data_offsets"][0] for name, one in header.items() if name != "__metadata__"}
    assert begins == {"wide": 0, "wave": 16, "count": 24, "brain": 28, "flags": 34, "eight": 37}


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        (None, "head.weight"),
        ({"head.weight": "wte.weight"}, "wte.weight"),
        (["head.weight"], "wte.weight"),
        ({"wte.weight": "head.weight"}, "head.weight"),
        ({"head.weight": "wte.weight", "wte.weight": "head.weight"}, "wte.weight"),
    ],
)
def test_a_tied_weight_is_stored_once_under_the_name_that_transformers_keeps(tmp_path, keys, kept):
    found = saved(on_meta(lambda: Tied(keys)), tmp_path, [("*.bias", "zeros"), ("*", "normal")])
    assert {*found} == {kept, "out.weight", "out.bias"}
    assert torch.equal(found[kept], torch.from_numpy(fi.normal((40, 6), seed=0, name="head.weight")))


def test_two_tensors_that_the_model_ties_are_said(tmp_path):
    model = on_meta(lambda: Tied({"head.weight": "wte.weight"}))
    model.wte.weight = nn.Parameter(torch.empty(40, 6, device="meta"))
    with pytest.warns(UserWarning, match=r"^save: tied by the model, and two tensors here: head\.weight and wte\."):
        found = saved(model, tmp_path, [("*.bias", "zeros"), ("*", "normal")])
    assert {*found} == {"head.weight", "wte.weight", "out.weight", "out.bias"}


class Loses(nn.Module):
    def __init__(self, persistent=True):
        super().__init__()
        self.register_buffer("table", torch.arange(4.0), persistent=persistent)
        self.fc = nn.Linear(4, 4)


@pytest.mark.filterwarnings("ignore:.*quantize_per_tensor:UserWarning", "ignore:Sparse CSR:UserWarning")
@pytest.mark.parametrize(
    ("buffer", "said"),
    [
        (lambda: torch.eye(3).to_sparse(), "dense tensors, which .safetensors files have, got 'b, torch.sparse_coo'"),
        (lambda: torch.eye(3).to_mkldnn(), "dense tensors, which .safetensors files have, got 'b, torch._mkldnn'"),
        (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
         "dtypes that .safetensors files have, got 'b, qint8'"),
    ],
)  # fmt: skip
def test_buffers_that_files_cannot_have(tmp_path, buffer, said):
    """They are nobody's but their module's, and refused where they would be stored."""
    model = nn.Linear(4, 3)
    model.register_buffer("b", buffer())
    assert len(ft.plan(model, "torch")) == 2 and ft.initialize_(model, "torch", seed=0) is not None
    assert ft.verify(model, "torch", seed=0).ok
    with pytest.raises(TypeError) as raised:
        ft.save(model, tmp_path / "model", "torch", 0)
    assert str(raised.value) == f"`model` must be of {said}" and not (tmp_path / "model").exists()


def test_a_buffer_that_no_module_restores(tmp_path):
    with pytest.raises(ValueError) as raised:
        ft.save(on_meta(Loses), tmp_path / "no")
    said = "`model` must be made with its buffers in memory, where no module restores them, got ['table']"
    assert str(raised.value) == said and os.listdir(tmp_path) == []
    model = on_meta(Loses)
    model.table = torch.arange(4.0)
    assert torch.equal(saved(model, tmp_path / "real")["table"], torch.arange(4.0))
    assert {*saved(on_meta(lambda: Loses(False)), tmp_path / "left out")} == {"fc.weight", "fc.bias"}


class Entangled(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.one, self.two, self.how = nn.Parameter(torch.empty(4, 4)), nn.Parameter(torch.empty(4, 4)), how
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.normal_(self.one)
        if self.how == "copy":
            with torch.no_grad():
                self.two.copy_(2 * self.one)
        else:
            self.two.data = 2 * self.one.data


@pytest.mark.parametrize("how", ["copy", "data"])
def test_what_is_computed_from_other_weights_is_refused(tmp_path, how):
    with pytest.raises(ValueError) as raised:
        ft.save(on_meta(lambda: Entangled(how)), tmp_path / "no")
    assert str(raised.value) == (
        "`rules` must be such that no module computes weights from others (initialize_ a model in memory, and store "
        "that), got ['two']"
    )
    assert os.listdir(tmp_path) == []


class Extra(nn.Linear):
    def get_extra_state(self):
        return {"step": 3}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda path: ft.save(3, path), TypeError, "`model` must be a torch.nn.Module, got int 3"),
        (lambda path: ft.save(nn.Linear(2, 2), path, seed=None), ValueError,
         "`seed` must be given (nobody could make the same again), got None"),
        (lambda path: ft.save(nn.Linear(2, 2), path, [("weight", "zeros")]), ValueError,
         "`rules` must be such that each parameter has a law (a list may end with ('*', 'torch')), got ['bias']"),
        (lambda path: ft.save(Extra(2, 2), path), TypeError,
         "`model` must be one whose state is of tensors alone, got ['_extra_state']"),
        (lambda path: ft.save(nn.LazyLinear(2), path), ValueError,
         "`model` must be of tensors whose shape is known (a lazy module gets its in a first call), "
         "got 'weight, UninitializedParameter'"),
        (lambda path: ft.save(nn.Linear(2, 2), path, [("*", "constant", {"value": 1e5})], dtype="float16"), ValueError,
         "`value` must be at most 65504 in float16, got 100000.0"),
    ],
)  # fmt: skip
def test_refusals(tmp_path, call, error, message):
    with pytest.raises(error) as raised:
        call(tmp_path / "no")
    assert str(raised.value) == message
    assert os.listdir(tmp_path) == []


def test_a_dtype_that_files_have_not(tmp_path):
    model = nn.Linear(2, 2)
    model.register_buffer("wide", torch.zeros(2, dtype=torch.complex128))
    with pytest.raises(TypeError) as raised:
        ft.save(model, tmp_path / "no")
    assert str(raised.value) == "`model` must be of dtypes that .safetensors files have, got 'wide, complex128'"


def test_where_tensors_are_made_on_the_meta_device_values_are_made_all_the_same(tmp_path):
    with torch.device("meta"):
        found = saved(Own(), tmp_path, "own", 3)
    assert_equal(found, initialised(Own, "own").state_dict())


def test_callables_and_registered_schemes(tmp_path):
    def ramp(shape, *, seed, name, dtype, index=None, out):
        out[...] = torch.arange(math.prod(shape)).reshape(shape).numpy() + seed

    fi.register(fi.Scheme("test_saved", scale=1.7))
    found = saved(on_meta(lambda: nn.Linear(30, 20)), tmp_path, [("bias", ramp), ("*", "test_saved")], 2)
    assert_equal(found, initialised(lambda: nn.Linear(30, 20), [("bias", ramp), ("*", "test_saved")], 2).state_dict())


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")
@pytest.mark.parametrize("size", ["5GB", "1KB"])
def test_torchs_own_reader_of_such_checkpoints(tmp_path, size):
    from torch.distributed import checkpoint

    ft.save(on_meta(layers), tmp_path, RULES, 3, max_shard_size=size)
    state = {name: torch.zeros_like(one) for name, one in layers().state_dict().items()}
    checkpoint.load(state, storage_reader=checkpoint.HuggingFaceStorageReader(str(tmp_path)), no_dist=True)
    assert_equal(state, initialised(layers, RULES).state_dict())


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved_models.py").write_text("from torch import nn\ndef net():\n    return nn.Linear(30, 20)\n")

    def run(*arguments):
        status = main(arguments)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    yield run
    sys.modules.pop("saved_models", None)


def test_the_command_saves_a_model_and_verifies_it(run):
    arguments = ["--model", "saved_models:net", "--seed", "5"]
    assert run("torch", "save", "out", *arguments) == (0, "out/model.safetensors: 2648 bytes\n", "")
    status, out, err = run("torch", "verify", "out/model.safetensors", *arguments)
    assert (status, err) == (0, "") and out.startswith("tensors checked: 2\n")
    assert run("torch", "save", "half", *arguments, "--dtype", "bfloat16")[0] == 0
    assert load_file("half/model.safetensors")["weight"].dtype is torch.bfloat16


def test_a_configuration_needs_transformers(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    said = "fastinit: a configuration needs transformers: pip install transformers\n"
    assert run("torch", "save", "out", "--config", "config.json") == (2, "", said)


class Config:
    """As much of transformers as a configuration needs."""

    architectures, dtype = ["Net"], torch.bfloat16

    @classmethod
    def from_pretrained(cls, path):
        assert path == "config.json"
        return cls()

    def to_json_string(self):
        return json.dumps(vars(self))


class Net(nn.Linear):
    from_pretrained = None

    def __init__(self, config):
        super().__init__(6, 4)
        self.config = config

    @property
    def dtype(self):
        return self.weight.dtype


def test_a_model_of_transformers_is_saved_with_its_configuration(run, monkeypatch, tmp_path):
    transformers = type(sys)("transformers")
    transformers.AutoConfig, transformers.Net = Config, Net
    monkeypatch.setitem(sys.modules, "transformers", transformers)
    (tmp_path / "config.json").touch()
    assert run("torch", "save", "out", "--config", "config.json")[::2] == (0, "")
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == {"architectures": ["Net"], "dtype": "bfloat16"}
    assert load_file("out/model.safetensors")["weight"].dtype is torch.bfloat16
    assert run("torch", "verify", "out", "--config", "config.json", "--seed", "0")[::2] == (0, "")
    assert run("torch", "verify", "out", "--config", "config.json", "--seed", "1")[0] == 1
    assert run("torch", "save", "wide", "--config", "config.json", "--dtype", "float32")[::2] == (0, "")
    assert json.loads((tmp_path / "wide" / "config.json").read_text())["dtype"] == "float32"
    model = Net(Config())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("an older one")
    with pytest.raises(ValueError, match="max_shard_size"):
        ft.save(model, "mine", max_shard_size=0)
    assert (tmp_path / "mine" / "config.json").read_text() == "an older one"
    assert [path.name for path in ft.save(model, "mine", dtype="float16")] == ["model.safetensors", "config.json"]
    assert json.loads((tmp_path / "mine" / "config.json").read_text()) == {"architectures": ["Net"], "dtype": "float16"}
    assert vars(model.config) == {}
    monkeypatch.delattr(Net, "from_pretrained")
    assert [path.name for path in ft.save(model, "plain")] == ["model.safetensors"]
    for path in ("none.json", "./none", "a/b/c", "/none"):
        said = f"fastinit: {path}: No such file or directory\n"
        assert run("torch", "save", "no", "--config", path) == (2, "", said)
    monkeypatch.setattr(Config, "architectures", None)
    said = (
        'fastinit: `--config` must be one with "architectures", the class of the model: add {"architectures": '
        "[\"GPT2LMHeadModel\"]}, say, to it, got 'config.json' (see fastinit torch save --help)\n"
    )
    assert run("torch", "save", "no", "--config", "config.json") == (2, "", said)
    monkeypatch.setattr(Config, "architectures", ["Other"])
    said = refused(
        "torch save", "`--config` must be of one of transformers' architectures, by its class, got ['Other']"
    )
    assert run("torch", "save", "no", "--config", "config.json") == (2, "", said)
