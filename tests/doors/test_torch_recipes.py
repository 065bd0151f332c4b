"""A recipe says itself what it seeks, what it leaves alone and what it needs: one made here works at every door."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import fastinit as fi
import fastinit.torch as ft
from fastinit.cli import main
from fastinit.models.recipe import RECIPES
from fastinit.models.recipes import RESIDUAL
from fastinit.torch.rules.modules import normalises

HERE = __name__


class Gated(ft.Recipe):
    """Gates begin small, by the number of layers; all else as LeCun."""

    sought = ft.Sought("gates", "gates of")
    needs_layers = True

    def __init__(self, layers, gates=("gate", "gate_proj")):
        self.layers, self.gates = layers, tuple(gates)

    def law(self, weight):
        return ft.law_of("normal", weight, std=0.5 / self.layers if self.seeks(weight) else 0.25)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.gate, self.out = nn.LayerNorm(64), nn.Linear(64, 256), nn.Linear(256, 64)


def model(blocks=2):
    return nn.ModuleList([Block() for _ in range(blocks)])


def plain():
    return nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64))


@pytest.fixture
def registered():
    ft.register_recipe(Gated)
    yield
    del RECIPES["Gated"]


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_by_name(blocks):
    wanted = {"norm.weight": 0.0, "norm.bias": 0.0, "gate.weight": 0.5 / blocks, "gate.bias": 0.0, "out.weight": 0.25}
    net = model(blocks)
    for entry in ft.plan(net, "Gated"):
        assert entry.std == wanted.get(entry.name.partition(".")[2], 0.0)
    done = ft.initialize_(net, "Gated", seed=3)
    assert done == ft.plan(net, Gated(blocks))
    gate = fi.normal((256, 64), std=0.5 / blocks, seed=3, name="0.gate.weight")
    assert (net[0].gate.weight.detach().numpy() == gate).all()
    assert (net[0].norm.weight == 1).all() and not net[0].out.bias.any()
    assert ft.verify(net, "Gated", seed=3) and ft.verify(net, "Gated")
    net[0].gate.weight.data.mul_(2)
    assert ft.verify(net, "Gated").problems[0].startswith("0.gate.weight: standard deviation")


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("act", [ft.plan, ft.initialize_, ft.verify])
def test_a_model_without_what_it_seeks_is_refused(act):
    with pytest.raises(ValueError) as refused:
        act(plain(), "Gated")
    assert str(refused.value) == (
        "`gates` must be names, or ends of paths, of gates of the model: Gated(layers=2, gates=()) if it has none, "
        "or theirs in place of () (it has 0), got ('gate', 'gate_proj')"
    )
    assert act(plain(), Gated(1, gates=())) is not None
    assert act(plain(), Gated(layers=2, gates=("0",))) is not None
    assert act(plain(), Gated(1), rename=lambda name: f"3.{name}") is not None  # a stage may have no gates


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("act", [ft.plan, ft.initialize_, ft.verify])
def test_a_stage_does_not_know_how_many_layers_there_are(act):
    with pytest.raises(ValueError) as refused:
        act(model(), "Gated", rename=lambda name: f"stage.{name}")
    assert str(refused.value) == (
        "`rules` must be Gated(layers=...) where rename is given (a stage does not know how many there are), "
        "got 'Gated'"
    )


@pytest.mark.usefixtures("registered")
def test_names_come_from_one_register(capsys):
    with pytest.raises(ValueError) as refused:
        ft.plan(plain(), "gated")
    known = "`rules` must be one of 'torch', 'own', 'gpt2', 'llama', 'Gated', got 'gated' (nearest: 'Gated')"
    assert str(refused.value) == known
    with pytest.raises(SystemExit):
        main(["torch", "verify", "--help"])
    assert "torch, own, gpt2, llama, Gated, or MODULE:NAME of rules" in " ".join(capsys.readouterr().out.split())


class Norms(ft.Recipe):
    """Leaves only biases alone, and patterns of its own go unmatched."""

    def leaves(self, weight):
        return weight.name.endswith("bias")

    def law(self, weight):
        return ft.law_of("zeros" if weight.is_norm else "he_normal", weight)

    def unmatched(self, weights):
        return [] if any("out" in weight.name for weight in weights) else ["*out*"]


def test_what_it_leaves_alone_and_what_it_matches():
    laws = {entry.name: entry.description for entry in ft.plan(model(1), Norms())}
    assert laws["0.norm.weight"] == laws["0.gate.bias"] == "zeros()"
    with pytest.raises(ValueError) as refused:
        ft.plan(plain(), Norms())
    said = (
        "`rules` must be patterns each of which matches the name of a parameter, got '*out*': no parameter matches it "
    )
    assert str(refused.value) == f"{said}(there are: '0.weight', '0.bias', '1.weight', '1.bias')"


def test_a_list_used_again_knows_what_it_matches():
    rules = ft.mup(plain(), [("1.*", "ones"), ("*", "lecun_normal"), ("*", "zeros")])
    message = "`rules` must be patterns of which each comes first for a parameter, got '*': "
    message += "patterns before match all that it does"
    for _ in range(2):
        with pytest.raises(ValueError) as refused:
            ft.plan(nn.Sequential(nn.Linear(64, 64, bias=False), nn.LayerNorm(64)), rules)
        assert str(refused.value) == message


def test_a_recipe_without_a_law():
    with pytest.raises(NotImplementedError) as refused:
        ft.plan(plain(), ft.Recipe())
    assert str(refused.value) == "Recipe has no `law`"


@pytest.mark.parametrize(
    ("recipe", "error", "message"),
    [
        (nn.Linear, TypeError, f"`recipe` must be a subclass of fastinit.torch.Recipe, got {nn.Linear!r}"),
        ("gpt2", TypeError, "`recipe` must be a subclass of fastinit.torch.Recipe, got 'gpt2'"),
        (type("gpt2", (ft.Recipe,), {}), ValueError,
         "`recipe` must be of a name that is not among 'torch', 'own', 'gpt2', 'llama', got 'gpt2'"),
        (type("torch", (ft.Recipe,), {}), ValueError,
         "`recipe` must be of a name that is not among 'torch', 'own', 'gpt2', 'llama', got 'torch'"),
    ],
)  # fmt: skip
def test_what_is_not_registered(recipe, error, message):
    with pytest.raises(error) as refused:
        ft.register_recipe(recipe)
    assert str(refused.value) == message and list(RECIPES) == ["gpt2", "llama"]


def test_its_own_recipes_are_such():
    for recipe in (ft.gpt2(2), ft.llama(), ft.deepnorm(2), ft.mup({})):
        assert isinstance(recipe, ft.Recipe)
    assert dict(RECIPES) == {"gpt2": ft.gpt2, "llama": ft.llama}


def test_deepnorm_would_need_no_more_than_its_registration():
    with torch.device("meta"):
        net = nn.ModuleList([nn.TransformerEncoderLayer(8, 2, 16) for _ in range(4)])
    ft.register_recipe(ft.deepnorm)
    try:
        assert ft.plan(net, "deepnorm") == ft.plan(net, ft.deepnorm(4))
    finally:
        del RECIPES["deepnorm"]


def test_the_command_line_knows_a_recipe_by_its_name(tmp_path):
    from safetensors.torch import save_file

    ft.initialize_(net := model(), Gated(2), seed=5)
    save_file(net.state_dict(), tmp_path / "gated.safetensors")
    code = f"import {HERE} as here; here.ft.register_recipe(here.Gated); from fastinit.cli import main; "
    code += "raise SystemExit(main())"
    file, made = tmp_path / "gated.safetensors", f"{HERE}:model"
    options = ["torch", "verify", file, "--model", made, "--rules", "Gated", "--seed", "5"]
    path = {"PYTHONPATH": ":".join([*sys.path, str(__file__).rpartition("/")[0]])}
    done = subprocess.run([sys.executable, "-c", code, *options], check=False, capture_output=True, text=True, env=path)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.endswith("ok\n")


class LayerNormLinear(nn.Module):
    """A norm and a projection in one module, as on Megatron's path."""

    def __init__(self, outputs=6):
        super().__init__()
        self.layer_norm_weight, self.layer_norm_bias = nn.Parameter(torch.empty(4)), nn.Parameter(torch.empty(4))
        self.weight, self.bias = nn.Parameter(torch.empty(outputs, 4)), nn.Parameter(torch.empty(outputs))


class LayerNormMLP(nn.Module):
    def __init__(self):
        super().__init__()
        for name, shape in {"layer_norm_weight": 4, "fc1_weight": (8, 4), "fc1_bias": 8, "fc2_weight": (4, 8)}.items():
            setattr(self, name, nn.Parameter(torch.empty(shape)))


class NormedLinear(nn.Linear):
    pass


class NormedConv2d(nn.Conv2d):
    pass


class LinearNorm(nn.Linear):
    pass


def holder(name, **shapes):
    """A class so called, that knows no layer of torch, with parameters of these shapes."""
    made = type(name, (nn.Module,), {})()
    for leaf, shape in shapes.items():
        setattr(made, leaf, nn.Parameter(torch.empty(shape)))
    return made


DRAWN = "normal"
FUSED = {"layer_norm_weight": "ones()", "layer_norm_bias": "zeros()", "weight": DRAWN, "bias": "zeros()"}
NORMS = [
    (lambda: nn.LayerNorm(4), {"weight": "ones()", "bias": "zeros()"}),
    (lambda: nn.LayerNorm((2, 3, 4)), {"weight": "ones()", "bias": "zeros()"}),
    (lambda: type("Own", (nn.LayerNorm,), {})((3, 4)), {"weight": "ones()", "bias": "zeros()"}),
    (lambda: nn.RMSNorm((2, 4)), {"weight": "ones()"}),
    (lambda: nn.BatchNorm2d(4), {"weight": "ones()", "bias": "zeros()"}),
    (lambda: nn.InstanceNorm1d(4, affine=True), {"weight": "ones()", "bias": "zeros()"}),
    (lambda: type("Act2d", (nn.GroupNorm,), {})(2, 4), {"weight": "ones()", "bias": "zeros()"}),
    (lambda: holder("LlamaRMSNorm", weight=4), {"weight": "ones()"}),
    (lambda: holder("RMSNormGated", weight=4), {"weight": "ones()"}),
    (lambda: holder("LayerNorm", gamma=4, beta=4), {"gamma": "ones()", "beta": "zeros()"}),
    (lambda: holder("ChanLayerNorm", g=(1, 4, 1, 1), b=(1, 4, 1, 1)), {"g": "ones()", "b": "zeros()"}),
    (lambda: holder("LayerNorm2d", weight=(4, 1, 1)), {"weight": "ones()"}),
    (LayerNormLinear, FUSED),
    (lambda: LayerNormLinear(1), FUSED),
    (LayerNormMLP, {"layer_norm_weight": "ones()", "fc1_weight": DRAWN, "fc1_bias": "zeros()", "fc2_weight": DRAWN}),
    (lambda: NormedLinear(4, 6), {"weight": DRAWN, "bias": "zeros()"}),
    (lambda: LinearNorm(4, 1), {"weight": DRAWN, "bias": "zeros()"}),
    (lambda: NormedConv2d(4, 6, 3), {"weight": DRAWN, "bias": "zeros()"}),
]  # fmt: skip


@pytest.mark.parametrize(("make", "laws"), NORMS)
def test_what_a_parameter_is_follows_from_the_type_of_its_module_and_its_shape(make, laws):
    for recipe in (ft.gpt2(1, residual=()), ft.llama(residual=()), ft.deepnorm(1, smaller=()), ft.mup(make())):
        found = {one.name: one.description.split("(std")[0] for one in ft.plan(make(), recipe)}
        assert found == laws
    net = make()
    ft.initialize_(net, ft.gpt2(1, residual=()), seed=0)
    drawn = {name: one.unique().numel() == one.numel() for name, one in net.named_parameters() if laws[name] == DRAWN}
    assert all(drawn.values()) and ft.verify(net, ft.gpt2(1, residual=()), seed=0)


class NormedCosine(nn.Linear):
    """A classifier with a temperature."""

    def __init__(self):
        super().__init__(4, 4)
        self.scale = nn.Parameter(torch.empty(1))


UNCLEAR = [
    (holder("FusedLayerNorm", weight=(3, 4)), "weight"),
    (holder("WhiteningNorm", weight=4, matrix=(4, 4)), "matrix"),
    (holder("ScaleNorm", g=()), "g"),
    (holder("LayerNorm", a_2=4), "a_2"),
    (NormedCosine(), "scale"),
]


@pytest.mark.parametrize(("net", "name"), UNCLEAR)
def test_what_nobody_knows_of_a_norm_is_left_to_the_user(net, name):
    recipe = ft.gpt2(1, residual=())
    with pytest.raises(ValueError) as refused:
        ft.plan(net, recipe)
    remedy = "a function may give one, and call a recipe for the rest"
    assert str(refused.value) == f"`rules` must be such that each parameter has a law ({remedy}), got ['{name}']"
    plan = ft.plan(net, lambda one: ft.law_of("ones", one) if one.name == name else recipe(one))
    assert {entry.name: entry.description for entry in plan}[name] == "ones()"


def test_which_modules_normalise():
    net = nn.ModuleList([make() for make, _ in NORMS])
    others = (NormedLinear, LinearNorm, NormedConv2d)
    assert [normalises(module) for module in net] == [not isinstance(module, others) for module in net]
    assert normalises(nn.LayerNorm(4, elementwise_affine=False)) and normalises(holder("OlmoLayerNorm"))
    assert not normalises(nn.Linear(4, 4)) and not normalises(type("ConvNormAct", (nn.Sequential,), {})())
    assert not normalises(holder("LayerNormLinear", weight=(4, 4)))


def branch(*names):
    return nn.ModuleDict({name: nn.Linear(4, 4, bias=False) for name in names})


def blocks(count=2, **named):
    """A model of blocks alike, whose branches have these matrices."""
    made = [nn.ModuleDict({name: branch(*names) for name, names in named.items()}) for _ in range(count)]
    return nn.ModuleDict({"embed": nn.Embedding(9, 4), "layers": nn.ModuleList(made), "head": branch("dense")})


#: Branches of a block as libraries call them, and what leads back from it.
KNOWN = {
    "GPT-2": ({"attn": ("c_attn", "c_proj"), "mlp": ("c_fc", "c_proj")}, {"attn.c_proj", "mlp.c_proj"}),
    "GPT-NeoX": ({"attention": ("query_key_value", "dense"), "mlp": ("dense_h_to_4h", "dense_4h_to_h")},
                 {"attention.dense", "mlp.dense_4h_to_h"}),
    "BLOOM, Falcon": ({"self_attention": ("query_key_value", "dense"), "mlp": ("dense_h_to_4h", "dense_4h_to_h")},
                      {"self_attention.dense", "mlp.dense_4h_to_h"}),
    "Persimmon": ({"self_attn": ("query_key_value", "dense"), "mlp": ("dense_h_to_4h", "dense_4h_to_h")},
                  {"self_attn.dense", "mlp.dense_4h_to_h"}),
    "Phi": ({"self_attn": ("q_proj", "k_proj", "v_proj", "dense"), "mlp": ("fc1", "fc2")},
            {"self_attn.dense", "mlp.fc2"}),
    "GPT-J, CodeGen": ({"attn": ("qkv_proj", "out_proj"), "mlp": ("fc_in", "fc_out")}, {"attn.out_proj", "mlp.fc_out"}),
    "Llama": ({"self_attn": ("q_proj", "o_proj"), "mlp": ("gate_proj", "up_proj", "down_proj")},
              {"self_attn.o_proj", "mlp.down_proj"}),
    "cross-attention": ({"self_attn": ("q_proj", "out_proj"), "encoder_attn": ("q_proj", "out_proj"),
                         "ffn": ("fc1", "fc2")}, {"self_attn.out_proj", "encoder_attn.out_proj", "ffn.fc2"}),
}  # fmt: skip


@pytest.mark.parametrize("library", KNOWN)
def test_every_branch_of_a_block_leads_back_at_the_same_scale(library):
    named, back = KNOWN[library]
    for rules, more in (
        ("gpt2", set()),
        (ft.gpt2(2), set()),
        ("llama", {"mlp.up_proj"} if library == "Llama" else set()),
    ):
        stds = {one.name: one.std for one in ft.plan(blocks(**named), rules)}
        scaled = {
            name for name, std in stds.items() if std == 0.01
        }  # in the second block of two, by all of the recipes
        assert {f"layers.1.{name}.weight" for name in back | more} == {one for one in scaled if "layers.1" in one}
        assert stds["head.dense.weight"] == 0.02
        first = {name.split("0.", 1)[1] for name, std in stds.items() if "layers.0" in name and std != 0.02}
        assert first == {f"{name}.weight" for name in back | more}


BERT = {"attention": ("query", "key", "value"), "output": ("dense",), "intermediate": ("dense",)}
#: What has not all of its branches by usual names: the blocks, what is known of the first, and what else there is.
HALF = {
    "other attention": ({"attn": ("qkv", "proj"), "mlp": ("fc1", "fc2")}, ["mlp.fc2"], "attn.proj, attn.qkv, mlp.fc1"),
    "other feed-forward": ({"attn": ("q_proj", "o_proj"), "ffn": ("up", "down")}, ["attn.o_proj"],
                           "attn.q_proj, ffn.down, ffn.up"),
    "attentions known alone": ({"self": ("q_proj", "out_proj"), "cross": ("q_proj", "out_proj"), "ffn": ("i", "o")},
                               ["self.out_proj", "cross.out_proj"], "cross.q_proj, ffn.i, ffn.o, self.q_proj"),
    "attentions and a list": ({"self": ("q_proj", "out_proj"), "cross": ("q_proj", "out_proj"), "ffn": ("0", "2")},
                              ["self.out_proj", "cross.out_proj"], "cross.q_proj, ffn.0, ffn.2, self.q_proj"),
    "one branch": ({"mixer": ("in_proj", "out_proj")}, ["mixer.out_proj"], "mixer.in_proj"),
}  # fmt: skip


@pytest.mark.parametrize("case", HALF)
@pytest.mark.parametrize("rename", [None, lambda name: name.replace("layers.0", "layers.3")])
def test_a_block_of_which_not_every_branch_is_known_is_refused(case, rename):
    """Whole or in a stage. What is given then is taken at its word, and each name of it must be one of the model."""
    named, known, others = HALF[case]
    net = blocks(count=1, **named)
    names = tuple(dict.fromkeys(path.split(".")[-1] for path in known))
    place = "layers.0" if rename is None else "layers.3"
    for recipe, usage in ((ft.gpt2(4), "gpt2(layers=4, "), (ft.llama(), "llama(")):
        with pytest.raises(ValueError) as refused:
            ft.plan(net, recipe, rename=rename)
        assert str(refused.value) == (
            "`residual` must be given where not every branch of a block has one of the usual names: "
            f"fastinit.torch.{usage}residual={names}) if these are all, with more of {others} if not, "
            f"got {{'{place}': {known}}}"
        )
        assert len(ft.plan(net, type(recipe)(**vars(recipe) | {"residual": names}), rename=rename))


def test_a_name_that_is_given_must_be_one_of_the_model():
    named, _ = KNOWN["GPT-2"]
    with pytest.raises(ValueError) as refused:
        ft.plan(blocks(**named), ft.gpt2(2, residual=("c_proj", "out_porj")))
    assert str(refused.value) == (
        "`residual` must be names of residual projections of the model, each of which it has, got ['out_porj']"
    )
    stage = ft.plan(blocks(**named), ft.gpt2(2, residual=("c_proj", "lm_head")), rename=lambda name: f"stage.{name}")
    assert {one.std for one in stage} == {0.01, 0.02}
    bert = ft.plan(blocks(**BERT), ft.gpt2(2, residual=("output.dense",)))
    assert {one.name for one in bert if one.std == 0.01} == {f"layers.{at}.output.dense.weight" for at in range(2)}


def test_blocks_may_differ_and_hold_lists_and_experts():
    """Those of lists count once; what leads back from experts is in the branch that they are in."""
    mixed = blocks(count=1, attn=("q_proj", "o_proj"), mlp=("up_proj", "down_proj"))
    layers = mixed["layers"]
    layers.append(nn.ModuleDict({"mamba": branch("in_proj", "out_proj"), "moe": nn.ModuleDict()}))
    layers[1]["moe"]["experts"] = nn.ModuleList([branch("w1", "w2", "w3") for _ in range(3)])
    layers.append(nn.ModuleDict({"layer": nn.ModuleList([branch("q", "o_proj"), branch("wi", "wo")])}))
    layers.append(nn.TransformerDecoderLayer(4, 2, 8))
    stds = {one.name: one.std for one in ft.plan(mixed, "gpt2")}
    scaled = {name.removeprefix("layers.").removesuffix(".weight") for name, std in stds.items() if 0 < std < 0.02}
    experts = {f"1.moe.experts.{at}.w2" for at in range(3)}
    decoder = {"3.self_attn.out_proj", "3.multihead_attn.out_proj", "3.linear2"}
    others = {"0.attn.o_proj", "0.mlp.down_proj", "1.mamba.out_proj", "2.layer.0.o_proj", "2.layer.1.wo"}
    assert scaled == experts | decoder | others
    assert {stds[f"layers.{name}.weight"] for name in scaled} == {0.02 / 8**0.5}


def test_layers_are_blocks_and_no_numbers_of_a_stem():
    net = blocks(**KNOWN["GPT-2"][0])
    net["stem"] = nn.ModuleList([nn.Conv1d(4, 4, 3) for _ in range(7)])
    for name in ("attn.c_proj", "mlp.c_proj"):
        stds = {one.name: one.std for one in ft.plan(net, "gpt2")}
        assert stds[f"layers.0.{name}.weight"] == 0.01 and stds["stem.6.weight"] == 0.02
    assert ft.plan(net, "gpt2") == ft.plan(net, ft.gpt2(2))


NONE_IS_USUAL = (
    "`residual` must be given where there is none of the usual names of residual projections of the model "
    f"({', '.join(RESIDUAL[:4])} and {len(RESIDUAL) - 4} more):"
)


def test_the_call_that_is_named_where_nothing_is_found_works_as_typed():
    net = nn.ModuleDict({"encoder": nn.Module(), "pooler": branch("dense")})
    net["encoder"].layer = blocks(attention=("query", "key"), output=("dense",), intermediate=("dense",))["layers"]
    ends = "attention.key, attention.query, intermediate.dense, output.dense, pooler.dense"
    for rules, usage in (("gpt2", "gpt2(layers=2, residual=())"), (ft.gpt2(5), "gpt2(layers=5, residual=())")):
        with pytest.raises(ValueError) as refused:
            ft.plan(net, rules)
        assert str(refused.value) == (
            f"{NONE_IS_USUAL} fastinit.torch.{usage} if it has none, or theirs in place of () (it has {ends}), got None"
        )
    assert {one.std for one in ft.plan(net, ft.gpt2(layers=2, residual=()))} == {0.02}
    ends_given = ft.plan(net, ft.gpt2(layers=2, residual=ends.split(", ")))
    assert {one.std for one in ends_given} == {0.01}


def test_of_many_names_few_are_told():
    net = nn.Sequential(*(nn.Linear(4, 4) for _ in range(30)))
    with pytest.raises(ValueError) as refused:
        ft.plan(net, "gpt2")
    assert str(refused.value) == (
        f"{NONE_IS_USUAL} fastinit.torch.gpt2(layers=30, residual=()) if it has none, or theirs in place of () "
        "(it has 0, 1, 10, 11, 12, 13, 14, 15 and 22 more), got None"
    )


def test_what_is_in_no_block_and_has_no_matrix_is_no_layer():
    with pytest.raises(ValueError) as refused:
        ft.plan(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)), "gpt2")
    assert str(refused.value) == (
        f"{NONE_IS_USUAL} fastinit.torch.gpt2(layers=2, residual=()) if it has none, or theirs in place of () "
        "(it has 0, 2), got None"
    )


def hierarchy(*depths, attn=("qkv", "out_proj"), mlp=("fc1", "fc2")):
    stages = [blocks(count=depth, attn=attn, mlp=mlp)["layers"] for depth in depths]
    return nn.ModuleDict({"stages": nn.ModuleList(nn.ModuleDict({"blocks": stage}) for stage in stages)})


def test_blocks_in_lists_of_blocks_are_not_counted_by_their_first_numbers():
    """Stages are no layers."""
    towers = nn.ModuleList(nn.ModuleList(nn.TransformerEncoderLayer(4, 2, 8) for _ in range(2)) for _ in range(2))
    for net, block in ((hierarchy(2, 6, 2), "stages.0.blocks.0"), (towers, "0.0")):
        with pytest.raises(ValueError) as refused:
            ft.plan(net, "gpt2")
        assert str(refused.value) == (
            f"`rules` must be gpt2(layers=...) where blocks are in lists of blocks, as {block} is "
            "(whose number is not how many there are), got 'gpt2'"
        )
        for rules in ("llama", ft.llama()):
            with pytest.raises(ValueError) as refused:
                ft.plan(net, rules)
            assert str(refused.value) == (
                f"`rules` must be gpt2(layers=...), say, where blocks are in lists of blocks, as {block} is "
                "(whose depth is not its first number), got 'llama'"
            )
        assert len(ft.plan(net, ft.llama(residual=())))
    stds = {one.name: one.std for one in ft.plan(hierarchy(2, 6, 2), ft.gpt2(layers=10))}
    assert {std for name, std in stds.items() if "out_proj" in name or "fc2" in name} == {0.02 / 20**0.5}


def test_deepnorm_must_know_what_leads_into_the_feed_forward_layer_too():
    named, _ = KNOWN["GPT-NeoX"]
    stds = {one.name: one.std for one in ft.plan(blocks(**named), ft.deepnorm(2))}
    smaller = {name for name, std in stds.items() if std == 0.25}
    assert {name.split(".")[-2] for name in smaller} == {"dense", "dense_h_to_4h", "dense_4h_to_h"}
    with pytest.raises(ValueError) as refused:
        ft.plan(blocks(attn=("qkv", "o_proj"), mlp=("expand", "down_proj")), ft.deepnorm(2))
    assert str(refused.value) == (
        "`smaller` must be given where not every branch of a block has one of the usual names: "
        "fastinit.torch.deepnorm(layers=2, smaller=('o_proj', 'down_proj')) "
        "if these are all, with more of attn.qkv, mlp.expand if not, "
        "got {'layers.0': ['attn.o_proj', 'mlp.down_proj']}"
    )
