"""ROOT files whose entries are events with several clusters: in every form, against awkward's reading of the same content."""

import atexit
import functools
import json
import os
import sqlite3
import subprocess
import textwrap
from pathlib import Path

import awkward
import h5py
import numpy as np
import pytest
import skhep_testdata
import uproot

NARROW = os.environ["NARROW"]
ROOT_PYTHON = os.environ.get("NARROW_ROOT_PYTHON", "")  # a Python with the real ROOT
pytestmark = pytest.mark.skipif(not ROOT_PYTHON, reason="narrow was built without ROOT")
SEED = int(os.environ.get("NARROW_SEED", 1))
CELLS = ["cell_eta", "cell_phi", "cell_layer", "cell_E"]
PLAIN = ["--features", "cell_eta,cell_phi,cell_layer,cell_E", "--target", "cluster_E", "--vmax", "9"]


def narrow(*args):
    return subprocess.run([NARROW, *map(str, args)], capture_output=True, text=True)


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
    out = tmp_path / "out.h5"
    said = succeed("prepare", "--data", data, "--out", out, *more)
    with h5py.File(out) as file:
        return {name: file[name][:] for name in file}, said


def random_events(n=300, least_cells=1):
    """Events of 0 to 5 clusters of 1 to 12 cells; floats of float32."""
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    clusters = rng.integers(0, 6, n)
    clusters[:4] = [0, 1, 5, 0]
    cells = rng.integers(least_cells, 13, clusters.sum())
    cells[:2] = [least_cells, 12]

    def of_cells(values):
        return awkward.unflatten(awkward.unflatten(values, cells), clusters)

    total = cells.sum()
    events = {name: of_cells(rng.lognormal(size=total).astype("f4")) for name in CELLS}
    events["cell_layer"] = of_cells(rng.integers(-8, 9, total).astype("i4"))
    events["cluster_E"] = awkward.unflatten(rng.lognormal(2, 1, clusters.sum()).astype("f4"), clusters)
    events["cluster_quality"] = awkward.unflatten(rng.integers(0, 4, clusters.sum()).astype("i4"), clusters)
    events["event_weight"] = awkward.Array(rng.normal(1, 0.7, n))
    events["run"] = awkward.Array(rng.integers(1, 9, n).astype("i4"))
    return events


def expected(events, features=CELLS, vmax=9, keep=None):
    """Samples by awkward: every cluster of the events, or those that `keep` holds for."""
    clusters = {name: awkward.flatten(events[name]) for name in [*features, "cluster_E"]}
    if keep is not None:
        clusters = {name: array[keep] for name, array in clusters.items()}
    x = np.full((len(clusters["cluster_E"]), vmax, len(features)), -6, "f4")
    for k, name in enumerate(features):
        padded = awkward.pad_none(clusters[name], vmax, clip=True)
        x[:, :, k] = awkward.to_numpy(awkward.fill_none(padded, -6.0))
    return x, awkward.to_numpy(clusters["cluster_E"])[:, None].astype("f4")


WRITE_WITH_ROOT = """
    import json, sys, ROOT
    import numpy as np

    vector = lambda type_, depth: f"std::vector<{type_}>" if depth == 1 else f"std::vector<std::vector<{type_}>>" if depth == 2 else type_

    def write(source, out, kind):
        events = json.load(open(source))
        types = events.pop("types")
        size = len(next(iter(events.values())))
        if kind == "rntuple":
            model = ROOT.RNTupleModel.Create()
            for name, (type_, depth) in types.items():
                model.MakeField[vector(type_, depth)](name)
            writer = ROOT.RNTupleWriter.Recreate(model, "events", out)
            entry = writer.CreateEntry()
            for i in range(size):
                for name, (type_, depth) in types.items():
                    value = events[name][i]
                    if depth == 2:
                        inner = ROOT.std.vector[vector(type_, 1)]()
                        for each in value:
                            inner.push_back(ROOT.std.vector[type_](each))
                        value = inner
                    elif depth == 1:
                        value = ROOT.std.vector[type_](value)
                    entry[name] = value
                writer.Fill(entry)
            del entry, writer
        else:
            file = ROOT.TFile(out, "RECREATE")
            tree = ROOT.TTree("events", "")
            codes = {"float": "F", "double": "D", "int": "I"}
            held = {}
            for name, (type_, depth) in types.items():
                if depth == 0:
                    held[name] = np.zeros(1, {"float": "f4", "double": "f8", "int": "i4"}[type_])
                    tree.Branch(name, held[name], f"{name}/{codes[type_]}")
                else:
                    held[name] = ROOT.std.vector[vector(type_, depth - 1)]()
                    tree.Branch(name, held[name])
            for i in range(size):
                for name, (type_, depth) in types.items():
                    if depth == 0:
                        held[name][0] = events[name][i]
                        continue
                    held[name].clear()
                    for each in events[name][i]:
                        held[name].push_back(ROOT.std.vector[type_](each) if depth == 2 else each)
                tree.Fill()
            tree.Write()
            file.Close()

    for line in sys.stdin:
        write(*json.loads(line))
        print("written", flush=True)
"""


def write(folder, name, events, kind="ttree", types=None):
    """By ROOT itself; types are those of the arrays, or as `types` has them."""
    usual = {"float32": "float", "float64": "double", "int32": "int", "int64": "int"}
    described = {}
    for field, array in events.items():
        element = awkward.to_numpy(awkward.flatten(array, axis=None)).dtype.name
        described[field] = ((types or {}).get(field, usual[element]), array.ndim - 1)
    content = {field: awkward.to_list(array) for field, array in events.items()}
    (folder / "source.json").write_text(json.dumps({**content, "types": described}))
    root = root_process()
    root.stdin.write(json.dumps([str(folder / "source.json"), str(folder / name), kind]) + "\n")
    root.stdin.flush()
    assert root.stdout.readline() == "written\n"
    return folder / name


@functools.lru_cache
def root_process():
    """ROOT takes seconds to start: one process writes all files."""
    script = textwrap.dedent(WRITE_WITH_ROOT)
    root = subprocess.Popen([ROOT_PYTHON, "-W", "ignore", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(root.communicate)
    return root


def flat(events):
    """The same events with the cells of all clusters behind each other."""
    result = {name: array for name, array in events.items() if not name.startswith("cell_")}
    for name in CELLS:
        result[name] = awkward.flatten(events[name], axis=2)
    result["cluster_nCells"] = awkward.values_astype(awkward.num(events["cell_E"], axis=2), "int32")
    return result


def check(got, events, **how):
    x, y = expected(events, **how)
    np.testing.assert_array_equal(got["x"], x)
    np.testing.assert_array_equal(got["y"], y)


@pytest.fixture(scope="module")
def events():
    return random_events()


@pytest.fixture(scope="module")
def nested(events, tmp_path_factory):
    return write(tmp_path_factory.mktemp("nested"), "events.root", events)


# What ROOT has a C++ type for, and what it has not.
@pytest.mark.parametrize("kind", ["ttree", "rntuple"])
@pytest.mark.parametrize("layer", ["int", "short", "unsigned char", "long", "float", "double", "bool"])
def test_lists_of_lists(kind, layer, events, tmp_path):
    if layer in ("unsigned char", "bool"):
        events = {**events, "cell_layer": abs(events["cell_layer"]) if layer != "bool" else events["cell_layer"] % 2}
    path = write(tmp_path, "e.root", events, kind, {"cell_layer": layer})
    check(prepare(path, tmp_path, *PLAIN)[0], events)


def test_numbers_of_clusters_and_events_are_repeated_for_their_cells(events, nested, tmp_path):
    features = ["cell_E", "cluster_quality", "run"]
    one = awkward.values_astype(awkward.ones_like(events["cell_E"]), "float32")
    repeated = {**events, "cluster_quality": events["cluster_quality"] * one, "run": events["run"] * one}
    got, _ = prepare(nested, tmp_path, "--features", ",".join(features), "--target", "cluster_E", "--vmax", 9)
    check(got, repeated, features=features)
    # The target of an event is that of all its clusters.
    got, _ = prepare(nested, tmp_path, "--features", "cell_E", "--target", "run", "--vmax", 9)
    np.testing.assert_array_equal(got["y"][:, 0], np.repeat(events["run"].to_numpy(), awkward.num(events["cluster_E"])))


@pytest.mark.parametrize("kind", ["ttree", "rntuple"])
def test_counts(kind, events, tmp_path):
    path = write(tmp_path, "e.root", flat(events), kind)
    check(prepare(path, tmp_path, *PLAIN, "--counts", "cluster_nCells")[0], events)


def test_arrays_by_uproot_with_counts(events, tmp_path):
    with uproot.recreate(tmp_path / "e.root") as file:
        # x[nx]/F, in several baskets.
        tree = file.mktree("events", {name: array.type.content for name, array in flat(events).items()})
        for first in range(0, 300, 70):
            tree.extend({name: array[first : first + 70] for name, array in flat(events).items()})
    assert uproot.open(tmp_path / "e.root")["events"]["cell_E"].typename == "float[]"
    check(prepare(tmp_path / "e.root", tmp_path, *PLAIN, "--counts", "cluster_nCells")[0], events)


def shuffled(events):
    """Flat events whose cells stand in any order, some of them of no cluster; of each its cluster, of each cluster its cells."""
    rng = np.random.default_rng(SEED)
    result = flat(events)
    cluster_of_cell, cells_of_cluster = [], []
    columns = {name: [] for name in CELLS}
    for counts, *values in zip(result["cluster_nCells"], *(result[name] for name in CELLS)):
        owner = np.concatenate([np.repeat(np.arange(len(counts)), counts), np.full(3, -1)]).astype("i4")
        order = rng.permutation(len(owner))
        for name, each in zip(CELLS, values):
            columns[name].append(np.concatenate([each, np.full(3, 777, each.to_numpy().dtype)])[order])
        cluster_of_cell.append(owner[order])
        cells_of_cluster.append([np.flatnonzero(owner[order] == c) for c in range(len(counts))])
    # Cells of a cluster as they stand in the event.
    ordered = {name: awkward.Array([[v[i] for i in lists] for v, lists in zip(columns[name], cells_of_cluster)]) for name in CELLS}
    expect = {**events, **{name: awkward.values_astype(array, "float64") for name, array in ordered.items()}}
    flat_columns = {name: awkward.values_astype(awkward.Array(columns[name]), "int32" if name == "cell_layer" else "float32") for name in CELLS}
    return {**result, **flat_columns}, awkward.Array(cluster_of_cell), cells_of_cluster, expect


@pytest.mark.parametrize("kind", ["ttree", "rntuple"])
def test_indices(kind, events, tmp_path):
    tree, cluster_of_cell, cells_of_cluster, expect = shuffled(events)
    lists = awkward.values_astype(awkward.Array([[each.tolist() for each in lists] for lists in cells_of_cluster]), "int32")
    path = write(tmp_path, "e.root", {**tree, "cluster_of": cluster_of_cell, "cells_of": lists}, kind)
    for indices in ("cluster_of", "cells_of"):
        check(prepare(path, tmp_path, *PLAIN, "--indices", indices)[0], expect)
    # Without anything of clusters, the cells say how many there are.
    got, _ = prepare(path, tmp_path, *PLAIN[:3], "none", *PLAIN[4:], "--indices", "cluster_of")
    np.testing.assert_array_equal(got["x"], expected(expect)[0])


def test_real_files(tmp_path):
    path = skhep_testdata.data_path("uproot-vectorVectorDouble.root")
    lists = awkward.flatten(uproot.open(path)["t"]["x"].array())
    lists = lists[awkward.num(lists) > 0]
    assert "cluster 0 of entry 1 has no cells" in fail("prepare", "--data", path, "--features", "x", "--target", "none", "--out", tmp_path / "o.h5")
    got, said = prepare(path, tmp_path, "--features", "x", "--target", "none", "--vmax", 3, "--unfit", "drop")
    assert "3 clusters without cells were left out" in said
    np.testing.assert_array_equal(got["x"][:, :, 0], awkward.to_numpy(awkward.fill_none(awkward.pad_none(lists, 3), -6)))
    path = skhep_testdata.data_path("uproot-stl_containers.root")
    lists = awkward.flatten(uproot.open(path)["tree"]["vector_vector_int32"].array())
    got, _ = prepare(path, tmp_path, "--features", "vector_vector_int32", "--target", "none", "--vmax", 5)
    np.testing.assert_array_equal(got["x"][:, :, 0], awkward.to_numpy(awkward.fill_none(awkward.pad_none(lists, 5), -6)))


def test_samples_end_within_an_event(events, nested, tmp_path):
    x, y = expected(events)
    for samples in (1, 2, 3, 7, 100):
        got, _ = prepare(nested, tmp_path, *PLAIN, "--samples", samples)
        np.testing.assert_array_equal(got["x"], x[:samples])
        np.testing.assert_array_equal(got["y"], y[:samples])


def test_unfit_clusters_are_named_by_their_entry(tmp_path):
    events = random_events(40, least_cells=0)
    path = write(tmp_path, "e.root", events)
    cells = awkward.num(events["cell_E"], axis=2)
    entry = next(i for i, counts in enumerate(cells) if 0 in counts)
    cluster = list(cells[entry]).index(0)
    message = fail("prepare", "--data", path, *PLAIN, "--out", tmp_path / "o.h5")
    assert f"e.root: cluster {cluster} of entry {entry} has no cells" in message and not (tmp_path / "o.h5").exists()
    got, said = prepare(path, tmp_path, *PLAIN, "--unfit", "drop")
    full = awkward.flatten(cells) > 0
    assert f"{awkward.sum(~full)} clusters without cells were left out" in said
    check(got, events, keep=full)


def test_what_does_not_add_up_is_named(events, tmp_path):
    good = {name: array[:20] for name, array in flat(events).items()}
    entry = next(i for i, counts in enumerate(good["cluster_nCells"]) if len(counts) > 1)
    cells = len(good["cell_E"][entry])
    clusters = len(good["cluster_E"][entry])
    tree, cluster_of_cell, cells_of_cluster, _ = shuffled({name: array[:20] for name, array in events.items()})
    lists = awkward.values_astype(awkward.Array([[each.tolist() for each in lists] for lists in cells_of_cluster]), "int32")

    def changed(array, change):
        content = awkward.to_list(array)
        content[entry] = change(content[entry])
        return awkward.Array(content)

    def refuse(tree, *options):
        message = fail("prepare", "--data", write(tmp_path, "e.root", tree), *PLAIN, *options, "--out", tmp_path / "o.h5")
        assert message.startswith("narrow: error: ") and "e.root" in message and not (tmp_path / "o.h5").exists()
        return message

    counts = ["--counts", "cluster_nCells"]
    fewer = {**good, "cluster_nCells": changed(good["cluster_nCells"], lambda c: [c[0] - 1, *c[1:]])}
    assert f"entry {entry}: cluster_nCells counts {cells - 1} cells, there are {cells}" in refuse(fewer, *counts)
    negative = {**good, "cluster_nCells": changed(good["cluster_nCells"], lambda c: [-1, *c[1:]])}
    assert f"entry {entry}: cluster_nCells holds -1" in refuse(negative, *counts)
    uneven = {**good, "cell_phi": changed(good["cell_phi"], lambda c: [*c, 1.0])}
    assert f"entry {entry}: cell_phi has {cells + 1} cells, cell_eta has {cells}" in refuse(uneven, *counts)
    short = {**good, "cluster_E": changed(good["cluster_E"], lambda c: c[1:])}
    assert f"entry {entry}: cluster_E has {clusters - 1} values for {clusters} clusters" in refuse(short, *counts)
    # Nothing says whose the cells are.
    assert "--counts or --indices says which cells are whose" in refuse(good)
    beyond = {**tree, "cluster_of": changed(cluster_of_cell, lambda c: [clusters, *c[1:]])}
    assert f"entry {entry}: cluster_of holds {clusters}" in refuse(beyond, "--indices", "cluster_of")
    fewer = {**tree, "cluster_of": changed(cluster_of_cell, lambda c: c[1:])}
    assert f"entry {entry}: cluster_of has {cells + 2} values for {cells + 3} cells" in refuse(fewer, "--indices", "cluster_of")
    beyond = {**tree, "cells_of": changed(lists, lambda c: [[cells + 3], *c[1:]])}
    assert f"entry {entry}: cells_of holds {cells + 3}" in refuse(beyond, "--indices", "cells_of")
    assert "--counts or --indices, not both" in refuse({**tree, "cells_of": lists}, *counts, "--indices", "cells_of")
    nested = {name: array[:20] for name, array in events.items()}
    assert "leave out --counts" in refuse({**nested, "n": good["cluster_nCells"]}, "--counts", "n")
    assert "entry 2: cell_phi has lists for 4 clusters, others for 5" in refuse(
        {**nested, "cell_phi": awkward.Array([each[1:] if i == 2 else each for i, each in enumerate(awkward.to_list(nested["cell_phi"]))])}
    )


def test_options_of_events_are_of_clusters_in_root_files(events, tmp_path):
    np.savez(tmp_path / "c.npz", offsets=[0, 2], cell_E=[1.0, 2.0])
    message = fail("prepare", "--data", tmp_path / "c.npz", "--features", "cell_E", "--target", "none", "--counts", "n", "--out", tmp_path / "o.h5")
    assert "--counts is of ROOT files" in message


# --- selections


def test_selections_of_clusters_and_of_events(events, nested, tmp_path):
    quality, energy = awkward.flatten(events["cluster_quality"]), awkward.flatten(events["cluster_E"])
    clusters = awkward.num(events["cluster_E"])

    def repeated(of_event):
        return np.repeat(awkward.to_numpy(of_event), clusters)

    cell_sum = awkward.sum(awkward.sum(events["cell_E"], axis=2), axis=1)
    selections = {
        "cluster_E > 2": energy > 2,
        "cluster_quality >= 2 && cluster_E*1000 < 9000.": (quality >= 2) & (awkward.values_astype(energy, "float64") * 1000 < 9000),
        "run == 4": repeated(events["run"] == 4),
        "run != 4 && cluster_quality == 0": repeated(events["run"] != 4) & (quality == 0),
        "Length$(cluster_E) == 3": repeated(clusters == 3),
        "Sum$(cell_E) > 20": repeated(cell_sum > 20),
        "Sum$(cluster_quality == 3) > 0": repeated(awkward.any(events["cluster_quality"] == 3, axis=1)),
        "TMath::Log(event_weight) > 0": repeated(events["event_weight"] > 1),
    }
    for selection, keep in selections.items():
        keep = awkward.to_numpy(keep)
        assert 0 < keep.sum() < len(keep)
        got, said = prepare(nested, tmp_path, *PLAIN, "--select", selection)
        assert f"{keep.sum()} of {len(keep)} clusters pass --select '{selection}'" in said
        check(got, events, keep=keep)


def test_selections_of_clusters_in_flat_events(events, tmp_path):
    path = write(tmp_path, "e.root", flat(events))
    keep = awkward.to_numpy(awkward.flatten(events["cluster_E"]) > 5)
    check(prepare(path, tmp_path, *PLAIN, "--counts", "cluster_nCells", "--select", "cluster_E > 5")[0], events, keep=keep)
    # RDataFrame of ROOT's own selects the same.
    script = f"import ROOT; print(ROOT.RDataFrame('events', '{path}').Define('n', 'Sum(cluster_E > 5)').Sum('n').GetValue())"
    count = subprocess.run([ROOT_PYTHON, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True).stdout
    assert int(float(count)) == keep.sum()


def test_selections_of_entries_that_are_clusters(tmp_path):
    succeed("--quiet", "generate", tmp_path / "g.root", "--samples", 200)
    tree = uproot.open(tmp_path / "g.root")["clusters"]
    keep = tree["true_energy"].array().to_numpy() > 100
    whole, _ = prepare(tmp_path / "g.root", tmp_path)
    got, said = prepare(tmp_path / "g.root", tmp_path, "--select", "true_energy > 100")
    assert f"{keep.sum()} of 200 clusters pass" in said
    np.testing.assert_array_equal(got["x"], whole["x"][keep])
    keep = awkward.to_numpy(awkward.sum(tree["energy"].array() > 1, axis=1) > 5)
    got, _ = prepare(tmp_path / "g.root", tmp_path, "--select", "Sum$(energy > 1) > 5")
    np.testing.assert_array_equal(got["x"], whole["x"][keep])


def test_selections_that_root_does_not_accept(events, nested, tmp_path):
    def refuse(path, selection):
        message = fail("prepare", "--data", path, *PLAIN, "--select", selection, "--out", tmp_path / "o.h5")
        assert not (tmp_path / "o.h5").exists()
        return message

    for selection, reason in {"nope > 2": '"nope"', "sqrt(": "')' is expected", "run &&": "Invalid Syntax", "f(run)": '"f(run)"'}.items():
        message = refuse(nested, selection)
        assert f"ROOT does not accept --select '{selection}' for tree events: " in message and reason in message
    assert "is a text" in refuse(nested, '"run"')
    assert "one for the whole entry, as Sum$ of any branch makes" in refuse(nested, "cell_E > 1")
    assert "--select is of TTrees" in refuse(write(tmp_path, "n.root", {n: a[:5] for n, a in events.items()}, "rntuple"), "run > 1")
    assert "it has no samples" in fail("train", "--data", nested, *PLAIN, "--select", "run > 99", "--out", tmp_path / "m.keras")


def test_a_selection_is_remembered(nested, tmp_path):
    for name, more in {"a": ["--select", "run > 4"], "b": ["--select", "run > 3"], "c": []}.items():
        succeed("prepare", "--data", nested, *PLAIN, *more, "--out", tmp_path / f"{name}.h5")
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "c.h5") as c:
        assert json.loads(a.attrs["preparation"])["select"] == "run > 4" and "select" not in json.loads(c.attrs["preparation"])
    for other, said in {"b": "select run > 3 and run > 4", "c": "select none and run > 4"}.items():
        message = fail("prepare", "--data", tmp_path / "a.h5", "--data", tmp_path / f"{other}.h5", "--out", tmp_path / "o.h5")
        assert "prepared in another way" in message and said in message
    assert "with select run > 4" in fail("prepare", "--data", tmp_path / "a.h5", "--select", "run > 5", "--out", tmp_path / "o.h5")
    succeed("prepare", "--data", tmp_path / "a.h5", "--select", "run > 4", "--out", tmp_path / "o.h5")


# --- weights


def test_weights_of_clusters_and_of_events(events, nested, tmp_path):
    clusters = awkward.num(events["cluster_E"])
    got, _ = prepare(nested, tmp_path, *PLAIN, "--weight", "event_weight")
    np.testing.assert_array_equal(got["weight"], np.repeat(events["event_weight"].to_numpy().astype("f4"), clusters))
    keep = awkward.to_numpy(awkward.flatten(events["cluster_E"]) > 5)
    got, _ = prepare(nested, tmp_path, *PLAIN, "--weight", "w", "--branches", "w=cluster_quality", "--select", "cluster_E > 5")
    np.testing.assert_array_equal(got["weight"], awkward.flatten(events["cluster_quality"]).to_numpy()[keep])
    check(got, events, keep=keep)


def test_files_of_sample_types_have_weights_of_their_own(events, tmp_path):
    parts = [{name: array[part] for name, array in events.items()} for part in (slice(0, 100), slice(100, 180), slice(180, 300))]
    paths = [write(tmp_path, f"{name}.root", part) for name, part in zip(["signal", "background1", "background2"], parts)]
    counts = [len(awkward.flatten(part["cluster_E"])) for part in parts]
    data = ["--data", f"{tmp_path}/background*.root:weight=0.25"]
    got, _ = prepare(paths[0], tmp_path, *data, *PLAIN)
    np.testing.assert_array_equal(got["weight"], np.repeat(np.float32([1, 0.25, 0.25]), counts))
    check(got, events)
    got, _ = prepare(paths[0], tmp_path, *data, *PLAIN, "--weight", "event_weight")
    own = np.repeat(events["event_weight"].to_numpy().astype("f4"), awkward.num(events["cluster_E"]))
    np.testing.assert_array_equal(got["weight"], own * np.repeat(np.float32([1, 0.25, 0.25]), counts))
    assert "should be a number" in fail("prepare", "--data", f"{paths[0]}:weight=heavy", *PLAIN, "--out", tmp_path / "o.h5")


def test_each_file_has_its_share_of_what_is_used(tmp_path):
    """Samples of one type alone, at the front or at the end, stand for none of the others."""
    rng = np.random.default_rng(SEED)
    names = [tmp_path / "signal.npz", tmp_path / "background.npz"]
    for name in names:
        np.savez(name, x=rng.normal(size=(40, 4, 2)).astype("f4"), y=rng.uniform(0.1, 1, size=40).astype("f4"))
    data = ["--data", f"{names[0]}:weight=1", "--data", f"{names[1]}:weight=0"]
    said = succeed("train", *data, "--nodes", 4, "--phi-layers", 1, "--rho-layers", 1, "--epochs", 1, "--out", tmp_path / "m.keras")
    assert "training samples are weighted" in said
    history = json.loads((tmp_path / "m.history.json").read_text())
    assert history["val_loss"][0] > 0, history
    assert "signal.npz: the weights of the training samples add up to 0 or less" in fail(
        "train", "--data", f"{names[0]}:weight=0", "--nodes", 4, "--epochs", 1, "--out", tmp_path / "n.keras")
    sweep = ["--v-full", "10", "--v-int", "4", "--wb-full", "8", "--wb-int", "2", "--out", tmp_path / "study", tmp_path / "m.keras"]
    assert "background.npz: none of its samples is among the first 30" in fail("sweep", *data, "--samples", 30, *sweep)
    said = succeed("sweep", "--data", names[0], "--data", names[1], "--samples", 30, *sweep)
    assert "the first 30 are used, none of the last file among them" in said, said


def test_a_name_that_nobody_looks_up_is_misspelt(events, nested, tmp_path):
    assert "--branches: cell_e is not among what is read: cell_eta, cell_phi, cell_layer, cell_E, cluster_E" in fail(
        "prepare", "--data", nested, *PLAIN, "--branches", "cell_e=cell_E", "--out", tmp_path / "o.h5")


def test_from_events_to_a_study(events, nested, tmp_path):
    """Selected clusters of ROOT's file, weighted: the study's MAE is numpy's average of its predictions; a data set of another selection is another."""
    columns = {"eta": "cell_eta", "phi": "cell_phi", "layer": "cell_layer", "energy": "cell_E", "true_energy": "cluster_E"}

    def study(select):
        (tmp_path / "study.yml").write_text(
            json.dumps(
                {
                    "out": str(tmp_path / "study"),
                    "data": {"files": [f"{nested}:weight=0.5"], "samples": "all", "branches": columns, "select": select, "weight": "cluster_quality"},
                    "models": [str(Path(__file__).resolve().parents[2] / "golden" / "ds16.keras")],
                    "grid": {"v_full": "16", "v_int": "8", "wb_full": "12", "wb_int": "3"},
                    "keep": "predictions",
                }
            )
        )
        return ["run", tmp_path / "study.yml"]

    done = narrow(*study("cluster_quality > 0"))
    assert done.returncode == 0, done.stderr
    quality = awkward.flatten(events["cluster_quality"]).to_numpy()
    weights = quality[quality > 0] * 0.5
    assert f"{len(weights)} of {len(quality)} clusters pass --select 'cluster_quality > 0'" in done.stderr
    folder = next((tmp_path / "study").glob("*.model"))
    fixed, reference = (np.loadtxt(folder / f"{kind}_predictions.txt") for kind in ("hls", "keras"))
    assert len(fixed) == len(weights)
    with sqlite3.connect(f"file:{tmp_path}/study/study.db?mode=ro", uri=True) as store:
        mae = store.execute("SELECT value FROM metrics WHERE name = 'mae'").fetchone()[0]
    assert mae == pytest.approx(np.average(np.abs(fixed - reference), weights=weights), rel=1e-12)
    assert mae != pytest.approx(np.mean(np.abs(fixed - reference)), rel=1e-6)
    assert "not the data with which this study began" in fail(*study("cluster_quality > 1"))
