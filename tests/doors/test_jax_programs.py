"""fastinit.jax in programs: each transformation, and each device its own part of what lies on several."""

import shlex
import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import bits
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import fastinit as fi
import fastinit.jax as fj
from fastinit import fill

KEY, SHAPE = jax.random.key(5), (64, 48)
HE = fj.he_normal()
EXPECTED = fi.he_normal(SHAPE, seed=5, distribution="truncated_normal")
SPECS = [P("x"), P("x", "y"), P("y"), P(("y", "x")), P(None, "x"), P("y", "x"), P()]
COMMUNICATION = ("all-reduce", "all-gather", "all-to-all", "collective", "reduce-scatter")


def he(key):
    return HE(key, SHAPE)


def same(made, expected=EXPECTED):
    assert made.shape == expected.shape and np.array_equal(bits(np.asarray(made)), bits(np.asarray(expected)))


def mesh_of(kind):
    """Four by two devices, which tests are run with."""
    return jax.make_mesh((4, 2), ("x", "y"), axis_types=(kind,) * 2)


def alone(program, *arguments):
    """A compiled program in which devices ask nothing of each other, and need less than 5 % of a shard beside it."""
    compiled = program.lower(*arguments).compile()
    assert not [word for word in COMMUNICATION if word in compiled.as_text()]
    memory = compiled.memory_analysis()
    assert memory.temp_size_in_bytes <= max(0.05 * memory.output_size_in_bytes, 4096)
    return compiled


def test_eight_devices_are_here():
    assert jax.device_count() == 8, "XLA_FLAGS=--xla_force_host_platform_device_count=8 came too late"


def test_arrays_are_taken_over_without_a_copy(monkeypatch):
    places = []
    aligned = fill.aligned
    monkeypatch.setattr(fill, "aligned", lambda *one: places.append(aligned(*one)) or places[-1])
    assert he(KEY).unsafe_buffer_pointer() == places[0].ctypes.data


def test_a_key_that_a_function_has_closed_over_is_no_constant():
    raw = jax.random.PRNGKey(5)
    for key in (KEY, raw, np.asarray(raw)):
        program = jax.jit(lambda: HE(key, (512, 512)))  # noqa: B023
        assert len(program.lower().as_text()) < 5000
        same(program(), HE(KEY, (512, 512)))


def test_transformations():
    keys = jax.random.split(KEY, 6)
    each = np.stack([he(key) for key in keys])
    same(jax.vmap(he)(keys), each)
    same(jax.jit(jax.vmap(he))(keys), each)
    same(jax.vmap(jax.vmap(he))(keys.reshape(2, 3)), each.reshape(2, 3, *SHAPE))
    same(jax.lax.map(he, keys), each)
    same(jax.jit(lambda keys: jax.lax.scan(lambda at, key: (at, he(key)), 0, keys)[1])(keys), each)
    same(jax.lax.cond(True, he, lambda key: jnp.zeros(SHAPE), KEY))
    same(jax.jit(jax.remat(he))(KEY))
    with jax.disable_jit():
        same(jax.jit(he)(KEY))
        same(jax.vmap(he)(keys), each)
    huge = jax.eval_shape(lambda key: HE(key, (1 << 25, 1 << 25)), KEY)
    assert huge.shape == (1 << 25, 1 << 25) and huge.dtype == "float32"
    same(jax.vmap(lambda key: fj.normal()(key, ()))(keys), np.array([fj.normal()(key, ()) for key in keys]))
    same(jax.vmap(lambda key: fj.orthogonal()(key, (4, 4)))(keys)[2], fj.orthogonal()(keys[2], (4, 4)))


def test_donation():
    made = HE(KEY, SHAPE)
    same(jax.jit(lambda x: x + 0, donate_argnums=0)(made))


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=str)
def test_each_device_makes_its_own_part(spec, kind):
    mesh, shape = mesh_of(kind), (512, 384)
    expected = HE(KEY, shape)
    program = jax.jit(lambda key: HE(key, shape), out_shardings=NamedSharding(mesh, spec))
    alone(program, KEY)
    same(program(KEY), expected)
    keys = jax.random.split(KEY, 3)
    many = jax.jit(jax.vmap(lambda key: HE(key, shape)), out_shardings=NamedSharding(mesh, P(None, *spec)))
    alone(many, keys)
    same(many(keys)[2], HE(keys[2], shape))
    turned = Mesh(np.array(jax.devices())[[3, 1, 0, 2, 7, 6, 5, 4]].reshape(4, 2), ("x", "y"))
    same(jax.jit(lambda key: HE(key, shape), out_shardings=NamedSharding(turned, spec))(KEY), expected)


@pytest.mark.parametrize("shape", [(1_000_000,), (1 << 20,), (200_000, 3), (99_991,)], ids=str)
def test_long_axes(shape):
    """Whose positions would take as much memory as the values, but for primes."""
    normal = fj.normal(1.0)
    expected, keys = fi.normal(shape, seed=5), jax.random.split(KEY, 2)
    same(jax.jit(lambda key: normal(key, shape))(KEY), expected)
    same(jax.jit(jax.vmap(lambda key: normal(key, shape)))(keys)[1], normal(keys[1], shape))
    for kind in (AxisType.Auto, AxisType.Explicit):
        sharding = NamedSharding(mesh_of(kind), P("x") if shape[0] % 4 == 0 else P())
        program = jax.jit(lambda key: normal(key, shape), out_shardings=sharding)
        if shape[0] != 99_991:
            alone(program, KEY)
        same(program(KEY), expected)
    with jax.set_mesh(mesh_of(AxisType.Explicit)):
        same(jax.jit(lambda key: normal(key, shape))(KEY), expected)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_explicit_sharding(spec):
    mesh, shape = mesh_of(AxisType.Explicit), (512, 384)
    expected, full = HE(KEY, shape), P(*spec, *[None] * (2 - len(spec)))
    same(HE(KEY, shape, None, NamedSharding(mesh, spec)), expected)
    with jax.set_mesh(mesh):
        plain = HE(KEY, shape)
        assert plain.sharding.mesh == mesh
        same(plain, expected)
        for program in (
            jax.jit(lambda key: HE(key, shape, None, spec)),
            jax.jit(lambda key: jax.sharding.reshard(HE(key, shape), spec)),
        ):
            alone(program, KEY)
            made = program(KEY)
            assert jax.typeof(made).sharding.spec == full
            same(made, expected)
        eager = HE(KEY, shape, None, spec)
        assert jax.typeof(eager).sharding.spec == full
        same(eager, expected)
        keys = jax.random.split(KEY, 2)
        same(jax.jit(jax.vmap(lambda key: HE(key, shape, None, spec)))(keys)[1], HE(keys[1], shape))


def test_in_shard_map():
    mesh, keys = mesh_of(AxisType.Auto), jax.random.split(KEY, 8)

    def own(keys):
        return HE(keys[0], (8, 4))[None]

    def partly(key):
        inner = NamedSharding(jax.sharding.get_abstract_mesh(), P("y"))
        return jax.lax.with_sharding_constraint(he(key), inner)[None]

    for checks in (False, True):
        mapped = jax.shard_map(own, mesh=mesh, in_specs=P(("x", "y")), out_specs=P(("x", "y")), check_vma=checks)
        made = jax.jit(mapped)(keys)
        for at, key in enumerate(keys):
            same(made[at], HE(key, (8, 4)))
        mapped = jax.shard_map(partly, mesh=mesh, in_specs=P(), out_specs=P("x"), axis_names={"x"}, check_vma=checks)
        made = jax.jit(mapped)(KEY)
        for at in range(4):
            same(made[at])


def test_uneven_parts():
    sharding = NamedSharding(mesh_of(AxisType.Auto), P("x"))
    program = jax.jit(lambda key: jax.lax.with_sharding_constraint(HE(key, (63, 48)), sharding))
    same(program(KEY), HE(KEY, (63, 48)))


def test_committed_keys_and_devices():
    device = jax.devices()[3]
    made = he(jax.device_put(KEY, device))
    assert made.devices() == {device} and made.committed and not he(KEY).committed
    with jax.default_device(device):
        assert he(KEY).devices() == {device}
    everywhere = jax.device_put(KEY, NamedSharding(mesh_of(AxisType.Auto), P()))
    same(he(everywhere))


def test_what_is_not_for_the_host_is_made_there(monkeypatch):
    """As on other devices, whose programs have no call of ours."""
    monkeypatch.setattr(fj.programs, "backends", lambda: {"cpu": None, "gpu": None})
    fj.programs.program.cache_clear()
    same(jax.jit(he)(KEY))
    words = jax.random.key_data(jax.random.split(KEY, 2))
    law = fi.laws.Normal()
    for dtype in ("float32", "bfloat16"):
        made = jax.jit(lambda words: fj.programs._from_host(words, (3, 4), jnp.dtype(dtype), law))(words)  # noqa: B023
        same(made[1], fi.normal((3, 4), seed=fj.seed_of(jax.random.split(KEY, 2)[1]), dtype=dtype))
    fj.programs.program.cache_clear()


def test_out_shardings_are_refused_as_jax_does():
    explicit, auto = mesh_of(AxisType.Explicit), mesh_of(AxisType.Auto)
    for shape, sharding in (
        ((63, 4), NamedSharding(explicit, P("x"))),
        ((64, 4), NamedSharding(auto, P("x"))),
        ((64, 4), P("x")),
        ((64, 4), "x"),
        ((64, 4), jax.sharding.SingleDeviceSharding(jax.devices()[0])),
    ):
        messages = []
        for initializer in (HE, jax.nn.initializers.he_normal()):
            with pytest.raises((ValueError, TypeError)) as refused:
                jax.eval_shape(lambda key: initializer(key, shape, None, sharding), KEY)  # noqa: B023
            messages.append(str(refused.value).split(" This error occurs at source")[0])
        assert messages[0] == messages[1]
    with pytest.raises(NotImplementedError):
        fj.orthogonal()(KEY, (64, 4), None, NamedSharding(explicit, P("x")))


#: Structures of ours and of XLA, and the fields of each that are read or written.
LAYOUT = {
    ("fi_xla_extension", "Extension_Base"): {"struct_size": "", "type": "", "next": ""},
    ("fi_xla_version", "Api_Version"): {"struct_size": "", "major": "major_version", "minor": "minor_version"},
    ("fi_xla_metadata", "Metadata"): {"struct_size": "", "version": "api_version", "traits": ""},
    ("fi_xla_metadata_extension", "Metadata_Extension"): {"base": "extension_base", "metadata": ""},
    ("fi_xla_error_arguments", "Error_Create_Args"): {"struct_size": "", "message": "", "code": "errc"},
    ("fi_xla_api", "Api"): {"version": "api_version", "create_error": "XLA_FFI_Error_Create"},
    ("fi_xla_buffer", "Buffer"): {"dtype": "", "data": "", "rank": "", "dims": ""},
    ("fi_xla_buffers", "Args"): {"size": "", "types": "", "values": "args"},
    ("fi_xla_buffers ", "Rets"): {"size": "", "types": "", "values": "rets"},
    ("fi_xla_text", "ByteSpan"): {"text": "ptr", "length": "len"},
    ("fi_xla_scalar", "Scalar"): {"dtype": "", "value": ""},
    ("fi_xla_array", "Array"): {"dtype": "", "size": "", "data": ""},
    ("fi_xla_attributes", "Attrs"): {"size": "", "types": "", "names": "", "values": "attrs"},
    ("fi_xla_call", "CallFrame"): {
        "struct_size": "",
        "api": "",
        "context": "ctx",
        "stage": "",
        "arguments": "args",
        "results": "rets",
        "attributes": "attrs",
    },
}
NUMBERS = {
    **{f"FI_XLA_{name}": f"XLA_FFI_DataType_{name}" for name in ("S64", "U8", "U32", "F16", "F32", "F64", "BF16")},
    "FI_XLA_ARRAY": "XLA_FFI_AttrType_ARRAY",
    "FI_XLA_SCALAR": "XLA_FFI_AttrType_SCALAR",
    "FI_XLA_BUFFER": "XLA_FFI_ArgType_BUFFER",
    "FI_XLA_METADATA": "XLA_FFI_Extension_Metadata",
    "FI_XLA_EXECUTE": "XLA_FFI_ExecutionStage_EXECUTE",
    "FI_XLA_MAJOR": "XLA_FFI_API_MAJOR",
    "FI_XLA_INVALID_ARGUMENT": "XLA_FFI_Error_Code_INVALID_ARGUMENT",
}


def test_the_layout_is_that_of_the_header_that_jax_ships(tmp_path):
    lines = ['#include "xla.h"', '#include "xla/ffi/api/c_api.h"']
    for (mine, theirs), fields in LAYOUT.items():
        for field, other in fields.items():
            places = f"offsetof({mine}, {field}) == offsetof(XLA_FFI_{theirs}, {other or field})"
            lines.append(f'_Static_assert({places}, "{mine}.{field}");')
    lines += [f'_Static_assert({mine} == {theirs}, "{mine}");' for mine, theirs in NUMBERS.items()]
    (tmp_path / "layout.c").write_text("\n".join(lines))
    core = Path(fi.__file__).parent / "src"
    includes = ["-I", str(core), "-I", jax.ffi.include_dir()]
    subprocess.run([*shlex.split("cc -std=gnu11 -fsyntax-only"), *includes, tmp_path / "layout.c"], check=True)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"law": np.int64(9)}, "fastinit: there is no such law"),
        ({"threads": np.int32(3)}, "fastinit: an argument or an attribute is missing"),
        ({"steps": np.array([1], np.int64)}, "the result must be of floats, with the axes of the seeds and"),
    ],
)
def test_a_call_that_is_not_ours_is_refused(change, message):
    law = fi.laws.Normal()
    attributes = {
        "law": np.int64(law.number),
        "parameters": np.array(law.parameters(fi.dtypes.kind_of("float32")), np.float64),
        "stream": np.frombuffer(b"normal".ljust(16, b"\0"), np.uint8),
        "steps": np.array([4, 1], np.int64),
        "threads": np.int64(1),
    }
    positions = [jnp.arange(length, dtype=jnp.uint32) for length in (3, 4)]
    call = jax.ffi.ffi_call("fastinit_fill", jax.ShapeDtypeStruct((3, 4), jnp.float32))
    words = jnp.array([0, 5], jnp.uint32)
    same(call(words, *positions, **attributes), fi.normal((3, 4), seed=5))
    with pytest.raises(jax.errors.JaxRuntimeError, match=message):
        jax.block_until_ready(call(words, *positions, **{**attributes, **change}))


def test_axes_whose_positions_have_no_number_are_refused():
    with pytest.raises(ValueError) as refused:
        jax.eval_shape(lambda key: fj.normal()(key, (1 << 32,)), KEY)
    assert str(refused.value) == "`shape` must be of axes below 4294967296 in a program, got (4294967296,)"
