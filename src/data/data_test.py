"""Clusters in files that uproot, ROOT, h5py and NumPy wrote; preparation against NumPy; generated clusters."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import awkward
import h5py
import numpy as np
import pytest
import uproot

NARROW = os.environ["NARROW"]
ROOT_PYTHON = os.environ.get("NARROW_ROOT_PYTHON", "")  # a Python with the real ROOT
ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "golden"
FEATURES = ["eta", "phi", "layer", "energy"]
needs_root = pytest.mark.skipif(not ROOT_PYTHON, reason="narrow was built without ROOT")


def narrow(*args, **kwargs):
    return subprocess.run([NARROW, *map(str, args)], capture_output=True, text=True, **kwargs)


def succeed(*args):
    done = narrow(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def fail(*args):
    done = narrow("--quiet", *args)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def prepare(data, tmp_path, *more):
    succeed("prepare", "--data", data, "--out", tmp_path / "out.h5", *more)
    with h5py.File(tmp_path / "out.h5") as file:
        return file["x"][:], file["y"][:] if "y" in file else None


def random_clusters(n, seed=1, shortest=1, longest=20):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(shortest, longest, n)
    total = lengths.sum()
    cells = {
        "eta": rng.normal(size=total),
        "phi": rng.normal(size=total),
        "layer": rng.integers(0, 8, total),
        "energy": rng.lognormal(size=total),
        "true_energy": rng.lognormal(3, 1, n),
    }
    return lengths, cells


def expected(lengths, cells, vmax=128, order=None, padding=-6.0):
    """The default preparation, in NumPy."""
    x = np.full((len(lengths), vmax, 4), padding, np.float32)
    at = 0
    for i, n in enumerate(lengths):
        columns = [cells["eta"], cells["phi"], cells["layer"] / 10, np.log(cells["energy"].astype(float)) / 10]
        rows = np.stack([column[at : at + n] for column in columns], axis=1)
        if order:
            rows = rows[np.argsort(-cells[order][at : at + n], kind="stable")]
        x[i, : min(n, vmax)] = rows[:vmax]
        at += n
    return x, (np.log(cells["true_energy"].astype(float)) / 10)[:, None]


def check(got, lengths, cells, **how):
    x, y = expected(lengths, cells, **how)
    assert got[0].shape == x.shape
    # One rounding to float32, of a logarithm that may differ in its last bit.
    np.testing.assert_allclose(got[0], x, rtol=1.2e-7, atol=1e-9)
    np.testing.assert_allclose(got[1], y, rtol=1.2e-7, atol=1e-9)


def jagged(lengths, cells):
    return {name: awkward.unflatten(cells[name], lengths) for name in FEATURES}


# --- files


def write_flat(path, lengths, cells, names=None):
    names = names or {}
    values = {names.get(name, name): value for name, value in cells.items()}
    values["offsets"] = np.concatenate([[0], np.cumsum(lengths)])
    if path.suffix == ".npz":
        np.savez_compressed(path, **values)
    else:
        with h5py.File(path, "w") as file:
            for name, value in values.items():
                file[name] = value


@pytest.mark.parametrize("ending", [".h5", ".npz"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_flat_files(ending, kind, tmp_path):
    lengths, cells = random_clusters(700)
    cells = {name: value.astype(kind) if name != "layer" else value for name, value in cells.items()}
    write_flat(tmp_path / f"c{ending}", lengths, cells)
    check(prepare(tmp_path / f"c{ending}", tmp_path), lengths, cells)


@needs_root
@pytest.mark.parametrize("kinds", [("f4", layer, "f4") for layer in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")] + [("f8", "f4", "f8"), ("f4", "f8", "f8")])
def test_ttrees_by_uproot(kinds, tmp_path):
    lengths, cells = random_clusters(700)
    cell, layer, target = kinds
    cells = {name: value.astype(layer if name == "layer" else target if name == "true_energy" else cell) for name, value in cells.items()}
    with uproot.recreate(tmp_path / "c.root") as file:
        branches = {name: array.type.content for name, array in jagged(lengths, cells).items()}
        tree = file.mktree("tree", {**{n: f"var * {np.dtype(cells[n].dtype).name}" for n in branches}, "true_energy": cells["true_energy"].dtype})
        # Several baskets.
        starts = np.concatenate([[0], np.cumsum(lengths)])
        for a in range(0, 700, 250):
            b = min(a + 250, 700)
            part = {n: awkward.unflatten(cells[n][starts[a] : starts[b]], lengths[a:b]) for n in branches}
            tree.extend({**part, "true_energy": cells["true_energy"][a:b]})
    check(prepare(tmp_path / "c.root", tmp_path), lengths, cells)


WRITE_WITH_ROOT = """
    import sys, ROOT
    import numpy as np
    source, folder, *files = sys.argv[1:]
    data = np.load(source)
    starts = data["offsets"]
    clusters = range(len(starts) - 1)

    def rntuple(out, layer):
        model = ROOT.RNTupleModel.Create()
        for name in ("eta", "phi", "energy"):
            model.MakeField["std::vector<float>"](name)
        model.MakeField[f"ROOT::RVec<{layer}>"]("layer")
        model.MakeField["double"]("true_energy")
        writer = ROOT.RNTupleWriter.Recreate(model, "clusters", out)
        entry = writer.CreateEntry()
        for i in clusters:
            cells = slice(starts[i], starts[i + 1])
            for name in ("eta", "phi", "energy"):
                entry[name] = ROOT.std.vector["float"](data[name][cells].tolist())
            entry["layer"] = ROOT.VecOps.RVec[layer](data["layer"][cells].tolist())
            entry["true_energy"] = float(data["true_energy"][i])
            writer.Fill(entry)
        del entry, writer

    def ttree(out, kind, layer):
        file = ROOT.TFile(out, "RECREATE")
        if kind == "folder":
            file.mkdir("deep").cd()
        tree = ROOT.TTree("clusters", "")
        types = {"eta": "float", "phi": "double", "layer": layer, "energy": "float"}
        vectors = {name: ROOT.std.vector[type_]() for name, type_ in types.items()}
        for name, vector in vectors.items():
            tree.Branch(name, vector)
        target = np.zeros(1, np.float64)
        tree.Branch("true_energy", target, "true_energy/D")
        for i in clusters:
            for name, vector in vectors.items():
                vector.clear()
                for value in data[name][starts[i] : starts[i + 1]].tolist():
                    vector.push_back(value)
            if kind == "uneven" and i % 100 == 5:
                vectors["phi"].push_back(1)
            target[0] = data["true_energy"][i]
            tree.Fill()
        tree.Write()
        if kind == "several":
            tree.Clone("other").Write()
        file.Close()

    for name in files:
        kind, layer = name.split(".")
        out, layer = f"{folder}/{name}.root", layer.replace("_", " ")
        rntuple(out, layer) if kind == "rntuple" else ttree(out, kind, layer)
"""
LAYER_TYPES = ["int", "unsigned_short", "long", "unsigned_long", "double"]
BY_ROOT = [f"{kind}.{layer}" for kind in ("ttree", "rntuple") for layer in LAYER_TYPES] + ["ttree.long_long"]


@pytest.fixture(scope="module")
def by_root(tmp_path_factory):
    """Files that ROOT itself wrote, by name, and what is in them."""
    folder = tmp_path_factory.mktemp("root")
    lengths, cells = random_clusters(300)
    (folder / "write.py").write_text(textwrap.dedent(WRITE_WITH_ROOT))
    write_flat(folder / "source.npz", lengths, cells)
    names = [*BY_ROOT, "folder.int", "several.int", "uneven.int"]
    subprocess.run([ROOT_PYTHON, folder / "write.py", folder / "source.npz", folder, *names], check=True)
    return lambda name: folder / f"{name}.root", lengths, single(cells)


def single(cells):
    """As ROOT's floats have it."""
    return {name: value.astype(np.float32).astype(float) if name in ("eta", "energy") else value for name, value in cells.items()}


@needs_root
@pytest.mark.parametrize("name", BY_ROOT)
def test_files_by_root(name, by_root, tmp_path):
    path, lengths, cells = by_root
    check(prepare(path(name), tmp_path), lengths, cells)


@needs_root
def test_trees_in_folders_and_several_trees(by_root, tmp_path):
    path, lengths, cells = by_root
    assert "name it with --tree FOLDER/NAME" in fail("prepare", "--data", path("folder.int"), "--out", tmp_path / "o.h5")
    check(prepare(path("folder.int"), tmp_path, "--tree", "deep/clusters"), lengths, cells)
    message = fail("prepare", "--data", path("several.int"), "--out", tmp_path / "o.h5")
    assert "several trees" in message and "clusters" in message and "other" in message
    check(prepare(path("several.int"), tmp_path, "--tree", "other"), lengths, cells)
    assert "it has no tree another; it has" in fail("prepare", "--data", path("several.int"), "--tree", "another", "--out", tmp_path / "o.h5")


@needs_root
def test_uneven_branches_are_refused_or_dropped(by_root, tmp_path):
    path, lengths, cells = by_root
    assert "cluster 5 has features of unequal lengths" in fail("prepare", "--data", path("uneven.int"), "--out", tmp_path / "o.h5")
    assert not (tmp_path / "o.h5").exists()
    said = succeed("prepare", "--data", path("uneven.int"), "--unfit", "drop", "--out", tmp_path / "out.h5")
    assert "3 clusters with features of unequal lengths were left out" in said
    kept = np.array([i for i in range(300) if i % 100 != 5])
    x, _ = expected(lengths, cells)
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_allclose(file["x"][:], x[kept], rtol=1.2e-7, atol=1e-9)


@needs_root
@pytest.mark.parametrize("kind", ["ttree", "rntuple"])
def test_a_missing_branch_is_named_with_those_that_exist(kind, by_root, tmp_path):
    message = fail("prepare", "--data", by_root[0](f"{kind}.int"), "--features", "eta,momentum", "--out", tmp_path / "o.h5")
    assert "no " in message and "momentum" in message and "it has eta, phi" in message


@needs_root
@pytest.mark.parametrize("kind", ["ttree", "rntuple"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_truncated_root_files_are_refused(kind, share, by_root, tmp_path):
    whole = by_root[0](f"{kind}.int").read_bytes()
    (tmp_path / "c.root").write_bytes(whole[: int(len(whole) * share)])
    assert "c.root" in fail("prepare", "--data", tmp_path / "c.root", "--out", tmp_path / "o.h5")
    assert not (tmp_path / "o.h5").exists()


@needs_root
def test_what_narrow_writes_is_read_by_uproot_and_by_narrow(tmp_path):
    for ending in (".root", ".h5", ".npz"):
        succeed("--quiet", "generate", tmp_path / f"g{ending}", "--samples", 300)
    with h5py.File(tmp_path / "g.h5") as file, np.load(tmp_path / "g.npz") as npz:
        tree = uproot.open(tmp_path / "g.root")["clusters"]
        lengths = np.diff(file["offsets"][:])
        for name in FEATURES:
            np.testing.assert_array_equal(file[name][:], npz[name])
            array = tree[name].array()
            np.testing.assert_array_equal(awkward.num(array), lengths)
            np.testing.assert_array_equal(awkward.flatten(array), file[name][:])
        np.testing.assert_array_equal(tree["true_energy"].array(), file["true_energy"][:])
    outputs = set()
    for ending in (".root", ".h5", ".npz"):
        x, y = prepare(tmp_path / f"g{ending}", tmp_path)
        outputs.add((x.tobytes(), y.tobytes()))
    assert len(outputs) == 1


def test_several_files_patterns_and_names(tmp_path):
    names = {"eta": "cell_eta", "energy": "cell_E"}
    parts = [random_clusters(n, seed) for seed, n in enumerate([30, 40, 50])]
    for i, (lengths, cells) in enumerate(parts):
        write_flat(tmp_path / f"run{i}.npz", lengths, cells, names)
    lengths = np.concatenate([part[0] for part in parts])
    cells = {name: np.concatenate([part[1][name] for part in parts]) for name in parts[0][1]}
    branches = ["--branches", "eta=cell_eta,energy=cell_E"]
    check(prepare(tmp_path / "run*.npz", tmp_path, *branches), lengths, cells)
    check(prepare(tmp_path / "run0.npz", tmp_path, "--data", tmp_path / "run[12].npz", *branches), lengths, cells)
    assert "run9*.npz: no such file" in fail("prepare", "--data", tmp_path / "run9*.npz", "--out", tmp_path / "o.h5")
    assert "no array eta; it has" in fail("prepare", "--data", tmp_path / "run0.npz", "--out", tmp_path / "o.h5")


@pytest.mark.parametrize("ending", [".h5", ".npz"])
def test_weights_are_prepared_and_read(ending, tmp_path):
    lengths, cells = random_clusters(60)
    weights = np.random.default_rng(4).normal(1, 2, 60)
    write_flat(tmp_path / f"c{ending}", lengths, {**cells, "mc": weights})
    with_weights = ["--branches", "w=mc", "--weight", "w"]
    x, y = prepare(tmp_path / f"c{ending}", tmp_path, *with_weights)
    check((x, y), lengths, cells)
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["weight"][:], weights.astype("f4"))
    # Prepared samples keep them, times those of their file, or are without.
    succeed("prepare", "--data", f"{tmp_path}/out.h5:weight=-0.5", "--out", tmp_path / "again.h5")
    with h5py.File(tmp_path / "again.h5") as file:
        np.testing.assert_array_equal(file["weight"][:], weights.astype("f4") * np.float32(-0.5))
    succeed("prepare", "--data", tmp_path / "out.h5", "--weight", "none", "--out", tmp_path / "none.h5")
    with h5py.File(tmp_path / "none.h5") as file:
        assert "weight" not in file and "weight" not in json.loads(file.attrs["preparation"])
    assert "with weight w" in fail("prepare", "--data", tmp_path / "out.h5", "--weight", "other", "--out", tmp_path / "o.h5")
    succeed("prepare", "--data", tmp_path / f"c{ending}", "--out", tmp_path / "plain.h5")
    for pair in (["out.h5", "plain.h5"], ["plain.h5", "out.h5"]):
        data = [word for name in pair for word in ("--data", tmp_path / name)]
        assert "out.h5: its samples have weights, those of " in fail("prepare", *data, "--out", tmp_path / "o.h5")
    # Of files that others wrote, any dataset.
    np.savez(tmp_path / "p.npz", x=x, y=y, sw=weights)
    assert "no weights called heavy" in fail("prepare", "--data", tmp_path / "p.npz", "--weight", "heavy", "--out", tmp_path / "o.h5")
    succeed("prepare", "--data", tmp_path / "p.npz", "--weight", "sw", "--out", tmp_path / "p.h5")
    with h5py.File(tmp_path / "p.h5") as file:
        np.testing.assert_array_equal(file["weight"][:], weights.astype("f4"))
    weights[7] = np.nan
    write_flat(tmp_path / f"c{ending}", lengths, {**cells, "mc": weights})
    assert "cluster 7 has the weight nan" in fail("prepare", "--data", tmp_path / f"c{ending}", *with_weights, "--out", tmp_path / "o.h5")
    assert "1 clusters whose weight is not finite" in succeed("prepare", "--data", tmp_path / f"c{ending}", *with_weights, "--unfit", "drop", "--out", tmp_path / "o.h5")


def test_damaged_and_wrong_hdf5_files_are_refused(tmp_path):
    lengths, cells = random_clusters(3000)
    for ending in (".h5", ".npz"):
        write_flat(tmp_path / f"c{ending}", lengths, cells)
        whole = (tmp_path / f"c{ending}").read_bytes()
        for share in (0.2, 0.6, 0.98):
            (tmp_path / f"cut{ending}").write_bytes(whole[: int(len(whole) * share)])
            assert f"cut{ending}" in fail("prepare", "--data", tmp_path / f"cut{ending}", "--out", tmp_path / "o.h5")
    write_flat(tmp_path / "c.h5", lengths, {**cells, "layer": ["a"] * lengths.sum()})
    assert "layer should hold numbers" in fail("prepare", "--data", tmp_path / "c.h5", "--out", tmp_path / "o.h5")
    write_flat(tmp_path / "c.h5", lengths, {**cells, "phi": cells["phi"][1:]})
    assert "c.h5: phi should hold one number a cell" in fail("prepare", "--data", tmp_path / "c.h5", "--out", tmp_path / "o.h5")
    (tmp_path / "c.h5").write_text("no file of clusters")
    assert "is not a kind of file that narrow reads" in fail("prepare", "--data", tmp_path / "c.h5", "--out", tmp_path / "o.h5")


def small_disk():
    """Files may not grow beyond 200 kB: writing fails as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

@needs_root
def test_a_branch_in_two_parts_is_read_once_for_each(tmp_path):
    """The energy and its logarithm, a target that is a weight too, a feature under another's branch: as HDF5 has it."""
    for ending in ("root", "h5"):
        succeed("generate", str(tmp_path / f"c.{ending}"), "--samples", "60", "--seed", "3")
    for number, options in enumerate((["--features", "energy/100,energy:log/10"], ["--weight", "true_energy", "--target", "true_energy"], ["--branches", "eta=phi"])):
        made = {}
        for ending in ("root", "h5"):
            out = tmp_path / f"{number}.{ending}.h5"
            succeed("prepare", "--data", str(tmp_path / f"c.{ending}"), *options, "--out", str(out))
            with h5py.File(out) as file:
                made[ending] = {name: file[name][:] for name in file}
        assert made["root"].keys() == made["h5"].keys()
        for name, values in made["h5"].items():
            assert np.array_equal(values, made["root"][name]), (options, name)
        assert np.count_nonzero(made["root"]["x"]) > 100 and np.count_nonzero(made["root"]["y"]) == 60


@pytest.mark.parametrize("ending", [".h5", ".npz", pytest.param(".root", marks=needs_root)])
def test_a_full_disk_leaves_nothing_behind(ending, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    done = narrow("--quiet", "generate", out / f"g{ending}", "--samples", 6000, preexec_fn=small_disk)
    assert done.returncode == 1 and "disk full?" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert list(out.iterdir()) == []
    succeed("--quiet", "generate", tmp_path / f"g{ending}", "--samples", 6000)
    done = narrow("--quiet", "prepare", "--data", tmp_path / f"g{ending}", "--out", out / "p.h5", preexec_fn=small_disk)
    assert done.returncode == 1 and "disk full?" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert list(out.iterdir()) == []


# --- preparation


def test_order_vmax_and_padding(tmp_path):
    lengths, cells = random_clusters(200)
    write_flat(tmp_path / "c.h5", lengths, cells)
    check(prepare(tmp_path / "c.h5", tmp_path, "--order", "energy"), lengths, cells, order="energy")
    said = succeed("prepare", "--data", tmp_path / "c.h5", "--vmax", 8, "--padding", -1, "--order", "energy", "--out", tmp_path / "out.h5")
    assert f"{(lengths > 8).sum()} clusters have more cells than vmax; their first are kept" in said
    with h5py.File(tmp_path / "out.h5") as file:
        check((file["x"][:], file["y"][:]), lengths, cells, order="energy", vmax=8, padding=-1)


def test_logarithms_and_divisors(tmp_path):
    lengths, cells = random_clusters(50)
    write_flat(tmp_path / "c.h5", lengths, cells)
    x, y = prepare(tmp_path / "c.h5", tmp_path, "--features", "energy:log10/4,layer", "--target", "true_energy/100", "--vmax", 20)
    mask = np.arange(20) < lengths[:, None]
    np.testing.assert_allclose(x[mask][:, 0], np.log10(cells["energy"]) / 4, rtol=1.2e-7, atol=1e-9)
    np.testing.assert_array_equal(x[mask][:, 1], cells["layer"])
    np.testing.assert_allclose(y[:, 0], cells["true_energy"] / 100, rtol=1.2e-7)
    _, none = prepare(tmp_path / "c.h5", tmp_path, "--target", "none")
    assert none is None
    for wrong in ("energy:ln", "energy/0", "energy/x", ":log", "a/b/c"):
        assert wrong in fail("prepare", "--data", tmp_path / "c.h5", "--features", wrong, "--out", tmp_path / "o.h5") or wrong == "energy:ln"


def test_unfit_data_are_refused_or_counted(tmp_path):
    lengths, cells = random_clusters(40, shortest=3)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    cells["energy"][starts[3]] = 0
    cells["energy"][starts[4]] = -1
    cells["eta"][starts[6]] = np.nan
    cells["true_energy"][9] = -5
    lengths = np.insert(lengths, 12, 0)
    cells["true_energy"] = np.insert(cells["true_energy"], 12, 1.0)
    write_flat(tmp_path / "c.h5", lengths, cells)
    assert "c.h5: cluster 3 has a cell with energy = 0.000000 before a logarithm" in fail("prepare", "--data", tmp_path / "c.h5", "--out", tmp_path / "o.h5")
    assert not (tmp_path / "o.h5").exists() and not list(tmp_path.glob("*.partial"))
    said = succeed("prepare", "--data", tmp_path / "c.h5", "--unfit", "drop", "--out", tmp_path / "o.h5")
    for note in ("2 cells without a positive value", "1 cells with NaN", "1 clusters whose target", "1 clusters without cells"):
        assert note in said
    with h5py.File(tmp_path / "o.h5") as file:
        assert file["x"].shape == (39, 128, 4) and np.isfinite(file["x"][:]).all()
    # Also where the reading stops before the end.
    assert "2 cells without a positive value" in succeed("prepare", "--data", tmp_path / "c.h5", "--unfit", "drop", "--samples", 20, "--out", tmp_path / "o.h5")


def test_damaged_offsets_are_refused(tmp_path):
    lengths, cells = random_clusters(40)
    for damage in (lambda o: o[::-1], lambda o: o + 1, lambda o: o * 3, lambda o: o - 5, lambda o: o // 2):
        write_flat(tmp_path / "c.h5", lengths, cells)
        with h5py.File(tmp_path / "c.h5", "r+") as file:
            file["offsets"][:] = damage(file["offsets"][:])
        assert "offsets" in fail("prepare", "--data", tmp_path / "c.h5", "--out", tmp_path / "o.h5")


def test_offsets_are_whole_numbers(tmp_path):
    lengths, cells = random_clusters(40)
    for wrong in (0.5, np.nan, np.inf, 1e300):
        write_flat(tmp_path / "c.h5", lengths, cells)
        with h5py.File(tmp_path / "c.h5", "r+") as file:
            offsets = file["offsets"][:].astype("f8")
            del file["offsets"]
            offsets[20] += wrong
            file["offsets"] = offsets
        assert "cluster 19" in fail("prepare", "--data", tmp_path / "c.h5", "--out", tmp_path / "o.h5")


def test_shapes_that_nobody_can_count_are_refused(tmp_path):
    # The product of the dimensions is 0 modulo 2^64, or more than the file can hold.
    for shape in ((2**40, 2**20, 16), (2**32, 2**31, 2), (2**40, 2, 2)):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("x", shape=shape, dtype="f4", chunks=(1, 1, 1))
        assert "x.h5" in fail("predict", GOLDEN / "ds16.keras", "--data", tmp_path / "x.h5", "--v", "16,6", "--out", tmp_path / "p.txt")


def test_a_dataset_without_values_is_not_zeros(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.ones((2, 128, 4), "f4")
        file["y"] = h5py.Empty("f4")
    assert "y should have one row" in fail("predict", GOLDEN / "ds16.keras", "--data", tmp_path / "x.h5", "--v", "16,6", "--out", tmp_path / "p.txt")


def test_whole_numbers_at_the_ends_of_their_types(tmp_path):
    # Their conversion to float32 leaves the type; the way back would be undefined.
    for kind, exact in (("i4", False), ("u4", False), ("i8", False), ("i2", True)):
        x = np.zeros((1, 128, 4), kind)
        x[0, 0] = [np.iinfo(kind).max, np.iinfo(kind).min, 1, 2]
        np.save(tmp_path / "x.npy", x)
        x[0, 0, 0] = min(np.iinfo(kind).max, 2**24 + 1)
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["x"] = x
        for name in ("x.npy", "x.h5"):
            said = succeed("predict", GOLDEN / "ds16.keras", "--data", tmp_path / name, "--v", "16,6", "--out", tmp_path / "p.txt")
            assert ("wider than float32" in said) != exact, (name, kind)


def test_models_remember_how_their_data_were_prepared(tmp_path):
    """A model trained on clusters takes clusters, prepared the same way; data prepared in another way are refused."""
    succeed("--quiet", "generate", tmp_path / "g.h5", "--samples", 300)
    spec = ["--features", "eta/2,phi,energy:log10", "--vmax", "40", "--order", "energy", "--padding", "-3", "--target", "true_energy:log10"]
    for ending in (".keras", ".h5", ".json"):
        model = tmp_path / f"m{ending}"
        succeed("--quiet", "train", "--data", tmp_path / "g.h5", *spec, "--nodes", 8, "--phi-layers", 1, "--rho-layers", 1, "--epochs", 1, "--out", model)
        succeed("prepare", "--data", tmp_path / "g.h5", *spec, "--out", tmp_path / "p.h5")
        succeed("prepare", "--data", tmp_path / "g.h5", "--out", tmp_path / "other.h5", "--features", "eta,phi,energy:log10")
        for data in ("g.h5", "p.h5"):
            succeed("--quiet", "predict", model, "--data", tmp_path / data, "--v", "16,6", "--out", tmp_path / f"{data}.txt")
        assert (tmp_path / "g.h5.txt").read_bytes() == (tmp_path / "p.h5.txt").read_bytes()
        assert "was prepared in another way" in fail("predict", model, "--data", tmp_path / "other.h5", "--out", tmp_path / "o.txt")
        succeed("--quiet", "sweep", model, "--data", tmp_path / "g.h5", "--v-full", "12:14:2", "--v-int", "6", "--wb-full", "10", "--wb-int", "2", "--samples", 50, "--out", tmp_path / f"study{ending}")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Clusters, the same prepared (ordered, padded with 0), and a model trained on three quarters of the first 400."""
    folder = tmp_path_factory.mktemp("trained")
    succeed("--quiet", "generate", folder / "g.h5", "--samples", 400, "--seed", 5)
    spec = ["--order", "energy", "--padding", "0", "--vmax", "40", "--features", "eta,phi,energy:log/10"]
    succeed("prepare", "--data", folder / "g.h5", *spec, "--out", folder / "p.h5")
    with h5py.File(folder / "p.h5") as file:
        np.savez(folder / "p.npz", x=file["x"][:], y=file["y"][:])
    succeed("--quiet", "train", "--data", folder / "g.h5", *spec, "--nodes", 4, "--phi-layers", 1, "--rho-layers", 1, "--epochs", 1, "--out", folder / "m.keras")
    return folder


def test_options_that_prepared_samples_contradict_are_refused(trained, tmp_path):
    """Each option either says how they were prepared, or is refused: none is passed over."""
    out = ["--out", tmp_path / "o"]
    for option, own, other in [
        ("--order", "energy", "eta"),
        ("--order", "energy", "as-is"),
        ("--padding", "0", "-6"),
        ("--vmax", "40", "39"),
        ("--features", "eta,phi,energy:log/10", "eta,phi,energy:log/9"),
        ("--target", "true_energy:log/10", "true_energy:log/9"),
    ]:
        succeed("prepare", "--data", trained / "p.h5", option, own, *out)
        said = fail("predict", trained / "m.keras", "--data", trained / "p.h5", option, other, *out)
        assert f"p.h5: its samples are already prepared, with {option[2:]} {own}" in said, said
        if option != "--target":
            assert f"in a way that the file does not say; leave out {option[2:]}" in fail("predict", trained / "m.keras", "--data", trained / "p.npz", option, own, *out)
    for option, value in [("--branches", "eta=e"), ("--tree", "t"), ("--unfit", "drop")]:
        said = fail("predict", trained / "m.keras", "--data", trained / "p.h5", option, value, *out)
        assert f"its samples are already prepared" in said and f"leave out {option[2:]}" in said, said
    # `none` takes effect: training then has no target, and what is written none.
    assert "it has no targets y" in fail("train", "--data", trained / "p.h5", "--target", "none", "--out", tmp_path / "t.keras")
    _, y = prepare(trained / "p.h5", tmp_path, "--target", "none")
    assert y is None


def test_samples_of_different_preparations_are_not_mixed(trained, tmp_path):
    for other, message in [(["--padding", "1"], "order as-is and energy, padding 1 and 0"), (["--order", "energy", "--padding", "0", "--target", "true_energy:log10"], "target true_energy:log10 and true_energy:log/10")]:
        succeed("prepare", "--data", trained / "g.h5", "--vmax", "40", "--features", "eta,phi,energy:log/10", *other, "--out", tmp_path / "other.h5")
        said = fail("prepare", "--data", trained / "p.h5", "--data", tmp_path / "other.h5", "--out", tmp_path / "o.h5")
        assert f"other.h5: its samples were prepared in another way than those of {trained / 'p.h5'}: {message}" in said, said
        # The same words, whoever compares; a model is not given targets.
        train = ["train", "--nodes", "4", "--phi-layers", "1", "--rho-layers", "1", "--epochs", "1", "--out", tmp_path / "t.keras"]
        said = fail(*train, "--data", trained / "p.h5", "--validation-data", tmp_path / "other.h5")
        assert f"other.h5: it was prepared in another way than {trained / 'p.h5'}: {message}" in said, said
        predict = ["predict", trained / "m.keras", "--data", tmp_path / "other.h5", "--out", tmp_path / "o.txt"]
        if "target" in message:
            succeed(*predict)
        else:
            assert f"other.h5: it was prepared in another way than what model m was trained on: {message}" in fail(*predict)
    # Clusters are prepared as the samples that they validate; where nobody knows how, they are refused.
    succeed("--quiet", *train, "--data", trained / "p.h5", "--validation-data", trained / "g.h5")
    assert "p.npz does not say how it was prepared" in fail(*train, "--data", trained / "p.npz", "--validation-data", trained / "p.h5")


def test_what_is_assumed_of_clusters_is_said(tmp_path):
    """A model that Keras wrote does not say how its inputs were prepared."""
    succeed("--quiet", "generate", tmp_path / "g.h5", "--samples", 20)
    predict = ["predict", GOLDEN / "ds16.keras", "--data", tmp_path / "g.h5", "--out", tmp_path / "p.txt"]
    said = succeed(*predict)
    assert "does not say how its inputs were prepared; clusters are prepared with --features eta,phi,layer/10,energy:log/10 --target true_energy:log/10 --order as-is --vmax 128 --padding -6" in said, said
    said = succeed(*predict, "--features", "eta,phi,layer/10,energy:log/10", "--order", "as-is", "--padding", "0")
    assert "are prepared with --target true_energy:log/10 --vmax 128\n" in said, said
    everything = ["--features", "eta,phi,layer/10,energy:log/10", "--order", "as-is", "--padding", "0", "--target", "none", "--vmax", "128"]
    assert "does not say" not in succeed(*predict, *everything)


def test_a_model_knows_the_samples_that_it_has_seen(trained, tmp_path):
    """By their content: in the same file, generated again, or among others; whatever the format of model and data."""
    def said(*data, model=trained / "m.keras"):
        return succeed("predict", model, *(each for path in data for each in ("--data", path)), "--out", tmp_path / "p.txt")

    succeed("--quiet", "generate", tmp_path / "again.npz", "--samples", 350, "--seed", 5)
    succeed("--quiet", "generate", tmp_path / "new.h5", "--samples", 100, "--seed", 6)
    for ending in (".h5", ".json"):
        succeed("show", trained / "m.keras", "--save-model", tmp_path / f"copy{ending}")
    for model in (trained / "m.keras", tmp_path / "copy.h5", tmp_path / "copy.json"):
        assert "of 400 samples it was trained on 300 and validated on 100;" in said(trained / "g.h5", model=model)
        assert "has seen" not in said(tmp_path / "new.h5", model=model)
    for data in ("p.h5", "p.npz"):
        assert "of 400 samples it was trained on 300 and validated on 100;" in said(trained / data)
    assert "of 350 samples it was trained on 300 and validated on 50;" in said(tmp_path / "again.npz")
    assert "of 450 samples it was trained on 300 and validated on 50;" in said(tmp_path / "new.h5", tmp_path / "again.npz")
    grid = ["--v-full", "12", "--v-int", "6", "--wb-full", "10", "--wb-int", "2"]
    sweep = succeed("sweep", trained / "m.keras", "--data", trained / "g.h5", *grid, "--samples", 320, "--out", tmp_path / "study")
    assert "model m has seen these data: of 320 samples it was trained on 300 and validated on 20;" in sweep, sweep
    assert "model m has seen these data: of 320 samples" in succeed("best", tmp_path / "study"), "it is kept and said again"


def test_the_record_of_many_samples_stays_small(tmp_path):
    """20,000 samples: the record keeps 16,384 hashes, and the share of the rest is told from those."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20000, 2, 1)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=x.sum((1, 2)))
    succeed("--quiet", "train", "--data", tmp_path / "d.npz", "--nodes", 2, "--phi-layers", 1, "--rho-layers", 0, "--epochs", 1, "--batch", 5000, "--out", tmp_path / "m.keras")
    assert (tmp_path / "m.keras").stat().st_size < 200_000
    for name, rows in [("seen", x[:1000]), ("half", np.concatenate([x[:500], rng.normal(size=(500, 2, 1)).astype(np.float32)]))]:
        np.save(tmp_path / f"{name}.npy", rows)
        said = succeed("predict", tmp_path / "m.keras", "--data", tmp_path / f"{name}.npy", "--out", tmp_path / "p.txt")
        words = said.split()
        compared, known = int(words[words.index("samples") - 1]), int(words[words.index("trained") + 2])
        assert "(drawn from 1000)" in said and abs(compared / 1000 - 16384 / 20000) < 0.06, said
        assert known == compared if name == "seen" else abs(known / compared - 0.5) < 0.06, said


# --- generated clusters


def test_the_documents_table_of_resolutions_is_what_showers_have(tmp_path):
    """docs/data.md: every number again, to its last digit but one."""
    sys.path.insert(0, str(ROOT / "tools"))
    import shower_resolution

    lines = shower_resolution.table([], tmp_path)
    text = (ROOT / "docs" / "data.md").read_text()
    shown = [line for line in text.splitlines() if line.startswith("|") and line.endswith("|")]
    assert lines[0] in shown
    at = shown.index(lines[0])
    for line, written in zip(lines[2:], shown[at + 2 :]):
        for a, b in zip(line.split("|"), written.split("|"), strict=True):
            numbers = [[float(word) for word in cell.replace("%", "").split() if word.replace(".", "").isdigit()] for cell in (a, b)]
            np.testing.assert_allclose(*numbers, atol=0.101 if "%" in a else 0.0101)


def test_a_seed_that_was_not_given_is_said(tmp_path):
    assert "seed 1, as none was given" in succeed("generate", tmp_path / "a.h5", "--samples", 10)
    assert "seed 1" not in succeed("generate", tmp_path / "b.h5", "--samples", 10, "--seed", 1)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()



def test_the_same_seed_makes_the_same_clusters_on_any_machine(tmp_path):
    """The hashes are those of the machine on which this was written."""
    hashes = {}
    for kind in ("showers", "uniform"):
        succeed("--quiet", "generate", tmp_path / "g.h5", "--kind", kind, "--samples", 2000, "--seed", 42)
        with h5py.File(tmp_path / "g.h5") as file:
            hashes[kind] = hashlib.sha256(b"".join(file[name][:].tobytes() for name in (*FEATURES, "offsets", "true_energy"))).hexdigest()[:16]
    assert hashes == {"showers": "8cfaaaee84e84c5e", "uniform": "10949ff7f56feadd"}
    for ending in (".h5", ".npz"):
        for name in ("a", "b"):
            succeed("--quiet", "generate", tmp_path / f"{name}{ending}", "--samples", 100, "--seed", 9)
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


def test_showers_have_a_calorimeters_resolution(tmp_path):
    """sigma / E = a / sqrt(E) at high energies, with the a of the model; linear; the maximum deeper the higher the energy."""
    succeed("--quiet", "generate", tmp_path / "g.h5", "--samples", 8000, "--seed", 2)
    with h5py.File(tmp_path / "g.h5") as file:
        starts, energy, truth, layer = (file[name][:] for name in ("offsets", "energy", "true_energy", "layer"))
    assert truth.min() >= 2 and truth.max() <= 200
    total = np.add.reduceat(energy, starts[:-1])
    depth = np.add.reduceat(energy * layer, starts[:-1]) / total
    depths = []
    for low, high in [(20, 40), (40, 80), (80, 160)]:
        chosen = (truth > low) & (truth < high)
        pull = (total[chosen] - truth[chosen]) / np.sqrt(truth[chosen])
        assert 0.10 < pull.std() < 0.145, "10 % / sqrt(E) and some noise"
        assert abs(np.mean(total[chosen] / truth[chosen]) - 1) < 0.02
        depths.append(depth[chosen].mean())
    assert depths == sorted(depths)


def test_uniform_clusters_are_the_studys_dummy_data(tmp_path):
    succeed("--quiet", "generate", tmp_path / "g.npz", "--kind", "uniform", "--samples", 5000, "--vmax", 128)
    with np.load(tmp_path / "g.npz") as file:
        lengths = np.diff(file["offsets"])
        assert lengths.min() == 4 and lengths.max() == 127 and abs(lengths.mean() - 65.5) < 2.5
        for name in (*FEATURES, "true_energy"):
            assert 0 <= file[name].min() and file[name].max() < 1.0000001 and abs(file[name].mean() - 0.5) < 0.02


# --- large files


def peak_memory(*args):
    """Of one process, in KiB."""
    # The address sanitizer would keep 256 MB of what is freed.
    environment = {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=1:thread_local_quarantine_size_kb=64"}
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run(["python3", "-c", code, NARROW, "--quiet", *map(str, args)], capture_output=True, text=True, check=True, env=environment)
    return int(done.stdout)


@pytest.mark.parametrize("ending", [".h5", ".npz", pytest.param(".root", marks=needs_root)])
def test_memory_does_not_grow_with_the_file(ending, tmp_path):
    peaks = []
    # A TTree is read a cluster of baskets at a time, 30 MB as ROOT writes it: more than the smaller file of the others.
    for samples in (40_000, 120_000) if ending == ".root" else (15_000, 60_000):
        succeed("--quiet", "generate", tmp_path / f"g{ending}", "--kind", "uniform", "--samples", samples)
        peaks.append(peak_memory("prepare", "--data", tmp_path / f"g{ending}", "--out", tmp_path / "p.h5"))
    # The larger file is three or four times the smaller, by 45 MB or more as clusters and 90 MB or more prepared.
    assert peaks[1] < peaks[0] + (40_000 if ending == ".root" else 16_000), peaks


@pytest.fixture
def two_inputs(tmp_path):
    """What golden/merges.keras takes."""
    with h5py.File(GOLDEN / "merges.h5") as file:
        cells, event = np.split(file["input"][:], [6 * 4], axis=1)
    x = {"cells": cells.reshape(-1, 6, 4), "an_event": event}
    np.savez(tmp_path / "x.npz", **x)
    return x


def predict_two(data, tmp_path, *more):
    succeed("--quiet", "predict", GOLDEN / "merges.keras", "--data", data, "--v", "16,6", "--out", tmp_path / "p.txt", *more)
    return np.loadtxt(tmp_path / "p.txt")


def test_several_inputs_are_read_by_name_or_in_order(two_inputs, tmp_path):
    with h5py.File(GOLDEN / "merges.h5") as file:
        expected = file["cases/auto_16_6/predictions"][:]
    np.testing.assert_array_equal(predict_two(tmp_path / "x.npz", tmp_path), expected)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.update({name: values.astype(np.float64) for name, values in two_inputs.items()})
    np.testing.assert_array_equal(predict_two(tmp_path / "x.h5", tmp_path), expected)
    for name, values in two_inputs.items():
        np.save(tmp_path / f"{name}.npy", values)
    in_order = f"{tmp_path}/cells.npy,{tmp_path}/an_event.npy"
    np.testing.assert_array_equal(predict_two(in_order, tmp_path), expected)
    # Files one after the other, and samples of the second file alone.
    both = predict_two(in_order, tmp_path, "--data", tmp_path / "x.h5", "--samples", 70)
    np.testing.assert_array_equal(both, np.concatenate([expected, expected[:10]]))
    # A trace has each input under its name.
    succeed("trace", GOLDEN / "merges.keras", "--data", tmp_path / "x.npz", "--samples", 7, "--v", "16,6", "--out", tmp_path / "trace.h5")
    with h5py.File(tmp_path / "trace.h5") as file:
        for name, values in two_inputs.items():
            np.testing.assert_array_equal(file[f"input/{name}"][:], values[:7])
        np.testing.assert_array_equal(file["predictions"][:], expected[:7])


def test_several_inputs_that_do_not_fit_are_refused(two_inputs, tmp_path):
    cells, event = two_inputs["cells"], two_inputs["an_event"]
    unknown = event.copy()
    unknown[3, 1] = np.nan
    cases = {
        "short": (dict(cells=cells, an_event=event[:5]), "an_event has 5 samples and cells 60"),
        "one": (dict(x=cells), "it has no array cells, and the model takes the inputs cells, an_event; it has x.npy"),
        "narrow": (dict(cells=cells, an_event=event[:, :3]), "the samples of an_event have the shape 3, model merges takes 5"),
        "unknown": (dict(cells=cells, an_event=unknown), "row 3 of an_event holds NaN"),
        "flat": (dict(cells=cells, an_event=event[:, 0]), "an_event should have the shape (samples, ...)"),
        "target": (dict(cells=cells, an_event=event, y=np.ones(7)), "y should have one row for each of the 60 samples of cells"),
    }
    predict = ["predict", GOLDEN / "merges.keras", "--out", tmp_path / "p.txt", "--data"]
    for name, (arrays, message) in cases.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
        assert message in fail(*predict, tmp_path / f"{name}.npz")
        if name == "one":
            continue
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.update(arrays)
        assert message in fail(*predict, tmp_path / f"{name}.h5")
    for name, values in two_inputs.items():
        np.save(tmp_path / f"{name}.npy", values)
    first, second = f"{tmp_path}/cells.npy", f"{tmp_path}/an_event.npy"
    assert "in this order, as in cells.npy,an_event.npy" in fail(*predict, first)
    assert "the samples of cells have the shape 5" in fail(*predict, f"{second},{first}")
    assert f"{tmp_path}/none.npy: no such file" in fail(*predict, f"{first},{tmp_path}/none.npy")
    assert "arrays for several inputs are .npy files each" in fail(*predict, f"{tmp_path}/x.npz,{second}")
    np.savez(tmp_path / "clusters.npz", offsets=[0, 1])
    assert "it holds clusters, which become one input" in fail(*predict, tmp_path / "clusters.npz")
    assert "arrays for several inputs, and samples here have one" in fail("predict", GOLDEN / "ds16.keras", "--out", tmp_path / "p.txt", "--data", f"{first},{second}")


def test_a_study_of_several_inputs(two_inputs, tmp_path):
    """Every point has the predictions that `predict` gives for it."""
    study = tmp_path / "study"
    succeed("--quiet", "sweep", GOLDEN / "merges.keras", "--data", tmp_path / "x.npz", "--v-full", "12:16:4", "--v-int", "6", "--wb-full", "10", "--wb-int", "4", "--layout", "hdf5", "--out", study)
    kept = sorted(study.glob("merges.1*.h5"))
    assert len(kept) == 2
    for path, bits in zip(kept, ("12,6", "16,6")):
        with h5py.File(path) as file:
            succeed("--quiet", "predict", GOLDEN / "merges.keras", "--data", tmp_path / "x.npz", "--v", bits, "--wb", "10,4", "--out", tmp_path / "p.txt")
            np.testing.assert_array_equal(np.loadtxt(tmp_path / "p.txt"), file["predictions"][:])
    assert "takes other inputs than model" in fail("sweep", GOLDEN / "merges.keras", GOLDEN / "in_parallel.keras", "--data", tmp_path / "x.npz", "--v-full", "12", "--v-int", "6", "--wb-full", "10", "--wb-int", "4", "--out", tmp_path / "other")


@pytest.mark.parametrize("kind", ["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "?"])
@pytest.mark.parametrize("how", ["npy", "npz", "compressed"])
def test_arrays_as_numpy_may_store_them(tmp_path, kind, how):
    """In Fortran order, and bools, as numpy reads them: x and y of two and three axes."""
    import keras

    seed = int(os.environ.get("NARROW_SEED", time.time_ns() % 10**6))
    print("seed", seed)
    rng = np.random.default_rng(seed)
    model = keras.Sequential([keras.Input((3, 4)), keras.layers.Flatten(), keras.layers.Dense(2, name="out")])
    kernel = np.linspace(-1, 1, 24).reshape(12, 2).astype(np.float32)
    model.set_weights([kernel, np.zeros(2)])
    model.save(tmp_path / "m.keras")
    low, high = (0, 2) if kind == "?" else (np.iinfo(kind).min, np.iinfo(kind).max) if kind[1] == "1" else (0 if kind[0] == "u" else -99, 100)
    x = rng.integers(low, high, (37, 3, 4), endpoint=kind != "?").astype(kind)
    outputs = []
    for order in ("C", "F"):
        stored = np.asarray(x, order=order)
        path = tmp_path / f"{order}.{how[:3]}"
        if how == "npy":
            np.save(path, stored)
        else:
            (np.savez if how == "npz" else np.savez_compressed)(tmp_path / f"{order}.npz", x=stored, y=np.asarray(rng.integers(0, 2, (37, 2)), order=order))
            path = tmp_path / f"{order}.npz"
        succeed("predict", tmp_path / "m.keras", "--data", path, "--out", tmp_path / "p.txt")
        outputs.append(np.loadtxt(tmp_path / "p.txt"))
    np.testing.assert_array_equal(*outputs)
    np.testing.assert_allclose(outputs[0], np.load(tmp_path / "F.npy" if how == "npy" else path)[() if how == "npy" else "x"].reshape(37, 12).astype(float) @ kernel, rtol=1e-5, atol=1e-3)


def test_a_fortran_array_that_is_cut_short(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.save(tmp_path / "m.keras")
    np.save(tmp_path / "x.npy", np.asfortranarray(np.ones((50, 3), np.float32)))
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:-1])
    assert "x.npy: it is cut short" in fail("predict", tmp_path / "m.keras", "--data", tmp_path / "x.npy", "--out", tmp_path / "p.txt")
    (tmp_path / "x.npy").write_bytes(whole.replace(b"(50, 3), }       ", b"(500000000, 3), }"))
    assert "x.npy: it is cut short" in fail("predict", tmp_path / "m.keras", "--data", tmp_path / "x.npy", "--out", tmp_path / "p.txt")
