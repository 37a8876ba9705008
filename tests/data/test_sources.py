"""Files of the field are read as their writers meant them, nothing in them is run, and broken ones say what is wrong."""

import gzip
import io
import json
import os
import pickle
import struct
import subprocess

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from engram.data.pictures import require_named, stack
from engram.data.problem import Problem
from engram.data.source import find, load_problem, raw_inputs
from engram.errors import DataError, EngramError, SettingError, UnknownNameError

RNG = np.random.default_rng(0)
TRAIN, TEST = (RNG.integers(0, 256, (n, 6, 5), dtype=np.uint8) for n in (40, 20))
LABELS, TEST_LABELS = np.arange(40, dtype=np.uint8) % 4, np.arange(20, dtype=np.uint8) % 4


# Idx


def idx(array, code=0x08):
    big = array.astype(array.dtype.newbyteorder(">"))
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + big.tobytes()


def mnist(folder, train="train-{}-idx{}-ubyte", test="t10k-{}-idx{}-ubyte"):
    folder.mkdir(exist_ok=True)
    for name, images, labels in ((train, TRAIN, LABELS), (test, TEST, TEST_LABELS)):
        for file, array in ((name.format("images", 3), images), (name.format("labels", 1), labels)):
            (folder / file).write_bytes(gzip.compress(idx(array)) if file.endswith(".gz") else idx(array))
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ("train-{}-idx{}-ubyte", "t10k-{}-idx{}-ubyte"),
        ("train-{}-idx{}-ubyte.gz", "t10k-{}-idx{}-ubyte.gz"),
        ("train-{}.idx{}-ubyte", "t10k-{}.idx{}-ubyte.gz"),
        ("emnist-mnist-train-{}-idx{}-ubyte", "emnist-mnist-test-{}-idx{}-ubyte"),
    ],
)
def test_idx_files_are_the_arrays_they_hold(names, tmp_path):
    folder = mnist(tmp_path / "mnist", *names)
    expected = Problem.from_arrays(TRAIN, LABELS, test=(TEST, TEST_LABELS))
    for path in (folder, folder / names[0].format("images", 3), folder / names[1].format("images", 3)):
        problem = load_problem(path)
        assert problem.fingerprint == expected.fingerprint
        assert problem.name == "mnist"
    assert np.array_equal(raw_inputs(folder), TEST)
    assert np.array_equal(raw_inputs(folder / names[0].format("images", 3)), TRAIN)


def test_a_lone_idx_file_is_split_by_seed(tmp_path):
    folder = mnist(tmp_path / "mnist")
    for file in folder.glob("train*"):
        file.unlink()
    expected = Problem.from_arrays(TEST, TEST_LABELS, seed=3)
    assert load_problem(folder / "t10k-images-idx3-ubyte", seed=3).fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    ("code", "kind"), [(0x08, "u1"), (0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")]
)
def test_idx_numbers_of_every_type(code, kind, tmp_path):
    array = (np.arange(24).reshape(2, 3, 4) * 5 - (0 if kind == "u1" else 60)).astype(kind)
    (tmp_path / "my-images-idx3-any").write_bytes(idx(array, code))
    read = raw_inputs(mnist_alone(tmp_path / "my-images-idx3-any"))
    assert read.dtype == np.dtype(kind)
    assert np.array_equal(read, array)


def mnist_alone(path):
    return path.rename(path.parent / "train-images-idx3-any")


def broken_idx(change):
    """A set whose training images are spoilt."""

    def make(folder):
        mnist(folder)
        file = folder / "train-images-idx3-ubyte"
        content = change(file.read_bytes())
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        return folder

    return make


def huge(content):
    return content[:4] + struct.pack(">3I", 2**20, 2**10, 2**10) + content[16:]


def compressed(change):
    """The same, in a compressed file."""

    def make(folder):
        mnist(folder, train="train-{}-idx{}-ubyte.gz")
        (folder / "train-images-idx3-ubyte.gz").write_bytes(change(idx(TRAIN)))
        return folder

    return make


def removed(folder, pattern):
    for file in folder.glob(pattern):
        file.unlink()
    return folder


BAD_IDX = {
    "magic": (broken_idx(lambda c: b"\x89PNG" + c[4:]), "starts with 89 50 4e 47, which is not"),
    "type": (broken_idx(lambda c: b"\0\0\x0a\3" + c[4:]), "starts with 00 00 0a 03"),
    "axes": (broken_idx(lambda c: b"\0\0\x08\xff" + c[4:]), "starts with 00 00 08 ff"),
    "empty": (broken_idx(lambda c: b""), "starts with nothing"),
    "header": (broken_idx(lambda c: c[:9]), "ends within its header"),
    "truncated": (broken_idx(lambda c: c[:-7]), "promises 40 x 6 x 5 items in 1200 bytes and holds 1193"),
    "longer": (broken_idx(lambda c: c + b"\0"), "1200 bytes and holds more"),
    "huge": (broken_idx(huge), "1048576 x 1024 x 1024 items in 1099511627776 bytes and holds 1200"),
    "nothing": (broken_idx(lambda c: idx(TRAIN[:0])), "0 x 6 x 5 items in 0 bytes"),
    "counts": (broken_idx(lambda c: idx(TRAIN[:-1])), "39 images and .* 40 labels"),
    "flat": (broken_idx(lambda c: idx(LABELS)), "one row per sample"),
    "no images": (broken_idx(lambda c: None), "train images are missing: add train-images-idx3-ubyte"),
    "no test": (lambda f: removed(mnist(f), "t10k*"), "test images are missing: add t10k-images"),
    "half a test": (lambda f: removed(mnist(f), "t10k-l*") / "train-images-idx3-ubyte", "test labels are missing"),
    "two sets": (lambda f: mnist(mnist(f), "b-train-{}-idx{}-ubyte"), "holds 2 sets"),
    "gz huge": (compressed(lambda c: gzip.compress(huge(c))), "1099511627776 bytes and holds 1200"),
    "gz cut": (compressed(lambda c: gzip.compress(c)[:-30]), "1200 bytes and holds 11"),
    "gz damaged": (compressed(lambda c: gzip.compress(c)[:10] + b"\xff" * 999), "not a readable idx file"),
    "not gz": (compressed(lambda c: c), "not a readable idx file"),
    "name": (lambda f: mnist(f) / "x-idx3-ubyte", "call it train-images-idx3-ubyte"),
}


@pytest.mark.parametrize("case", BAD_IDX)
def test_bad_idx_files_say_what_is_wrong(case, tmp_path):
    make, message = BAD_IDX[case]
    path = make(tmp_path / "mnist")
    if not path.exists():
        path.write_bytes(idx(TRAIN))
    with pytest.raises(DataError, match=message):
        load_problem(path)


def test_a_compressed_bomb_is_not_unpacked(tmp_path, monkeypatch):
    bomb = compressed(lambda c: gzip.compress(c + bytes(50_000_000)))(tmp_path / "mnist")
    sizes = []
    read = gzip.GzipFile.read1

    def counted(self, size=-1):
        content = read(self, size)
        sizes.append(len(content))
        return content

    monkeypatch.setattr(gzip.GzipFile, "read1", counted)
    with pytest.raises(DataError, match="holds more"):
        load_problem(bomb)
    assert sum(sizes) == 16 + TRAIN.size + 1


# CIFAR

CIFAR = RNG.integers(0, 256, (60, 3072), dtype=np.uint8)
CLASSES = [0, 1, 2] * 20


def old_pickle(value):
    """What Python 2 wrote: the opcodes of its protocol 2, byte strings and NumPy's old module."""

    def put(value):
        if isinstance(value, dict):
            return b"}(" + b"".join(put(k) + put(v) for k, v in value.items()) + b"u"
        if isinstance(value, list):
            return b"](" + b"".join(map(put, value)) + b"e"
        if isinstance(value, bytes):
            return (
                b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value
            )
        if isinstance(value, int):
            return b"J" + struct.pack("<i", value)
        kind = b"cnumpy\ndtype\n(U\x02u1J\0\0\0\0J\x01\0\0\0tR(J\x03\0\0\0U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffJ\0\0\0\0tb"
        start = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(J\0\0\0\0tU\x01btR"
        state = put(value.shape[0]) + put(value.shape[1]) + b"t" + kind + b"\x89" + put(value.tobytes())
        return start + b"(J\x01\0\0\0(" + state + b"tb"

    return b"\x80\x02" + put(value) + b"."


def new_pickle(value):
    """What Python 3 writes of the same, when it holds to that protocol."""
    words = {k: [name.decode() for name in v] if k == b"label_names" else v for k, v in value.items()}
    return pickle.dumps({k.decode(): v for k, v in words.items()}, protocol=2)


def cifar10(folder, dump=old_pickle):
    folder.mkdir()
    for k in range(5):
        rows = slice(10 * k, 10 * k + 10)
        (folder / f"data_batch_{k + 1}").write_bytes(dump({b"data": CIFAR[rows], b"labels": CLASSES[rows]}))
    (folder / "test_batch").write_bytes(dump({b"data": CIFAR[50:], b"labels": CLASSES[50:]}))
    (folder / "batches.meta").write_bytes(dump({b"label_names": [b"ship", b"cat", b"auto"]}))
    return folder


def cifar100(folder):
    folder.mkdir()
    coarse = [label // 2 for label in CLASSES]
    for name, rows in (("train", slice(0, 50)), ("test", slice(50, 60))):
        content = {b"data": CIFAR[rows], b"fine_labels": CLASSES[rows], b"coarse_labels": coarse[rows]}
        (folder / name).write_bytes(old_pickle(content))
    meta = {b"fine_label_names": [b"oak", b"elm", b"bee"], b"coarse_label_names": [b"tree", b"insect"]}
    (folder / "meta").write_bytes(old_pickle(meta))
    return folder


def test_the_test_pickles_are_what_python_reads():
    read = pickle.loads(old_pickle({b"data": CIFAR, b"labels": CLASSES}), encoding="bytes")
    assert np.array_equal(read[b"data"], CIFAR)
    assert read[b"labels"] == CLASSES


@pytest.mark.parametrize("dump", [old_pickle, new_pickle])
def test_cifar_batches_are_read_in_order_with_class_names(dump, tmp_path):
    problem = load_problem(cifar10(tmp_path / "cifar-10-batches-py", dump))
    images = CIFAR.reshape(-1, 3, 32, 32)
    expected = Problem.from_arrays(images[:50], CLASSES[:50], test=(images[50:], CLASSES[50:]))
    assert problem.fingerprint == expected.fingerprint
    assert problem.target.names == ("ship", "cat", "auto")
    assert problem.task.shape == (3, 32, 32)
    assert np.array_equal(raw_inputs(tmp_path / "cifar-10-batches-py"), images[50:])


def test_arrays_by_columns_and_missing_names_are_taken(tmp_path):
    folder = cifar10(
        tmp_path / "c",
        lambda value: new_pickle({k: np.asfortranarray(v) if k == b"data" else v for k, v in value.items()}),
    )
    (folder / "batches.meta").unlink()
    problem = load_problem(folder)
    assert problem.target.names == ("0", "1", "2")
    assert torch.equal(problem.test.inputs.flatten(1), torch.from_numpy(CIFAR[50:]))


def test_cifar_100_has_two_targets(tmp_path):
    folder = cifar100(tmp_path / "cifar-100-python")
    assert load_problem(folder).target.names == ("oak", "elm", "bee")
    assert load_problem(folder, target="coarse").target.names == ("tree", "insect")
    with pytest.raises(DataError, match="it takes fine or coarse"):
        load_problem(folder, target="label")


class Evil:
    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


def spoilt(name, content):
    def make(folder):
        cifar10(folder)
        (folder / name).write_bytes(content) if content is not None else (folder / name).unlink()
        return folder

    return make


def batch(**changes):
    content = {"data": CIFAR[:10], "labels": CLASSES[:10]} | changes
    return spoilt("data_batch_2", pickle.dumps(content, protocol=2))


def piped(folder):
    """Reading a pipe to which nobody writes would wait for ever."""
    cifar10(folder)
    (folder / "data_batch_2").unlink()
    os.mkfifo(folder / "data_batch_2")
    return folder


LIES = old_pickle({b"data": CIFAR[:10], b"labels": CLASSES[:10]}).replace(
    b"J\n\0\0\0J\0\x0c\0\0t", b"J\0\0\0\x7fJ\0\x0c\0\0t"
)
DEEP = b"\x80\x02}(" + b")" + b"\x85" * 500_000 + b"Nu."
BAD_CIFAR = {
    "system": (
        spoilt("test_batch", pickle.dumps(Evil(os.system, "touch owned"))),
        "system, which no batch .* was not run",
    ),
    "within": (batch(labels=Evil(subprocess.getoutput, "touch owned")), "getoutput, which no batch"),
    "eval": (batch(data=Evil(eval, "open('owned', 'w')")), "eval, which no batch"),
    "meta": (spoilt("batches.meta", pickle.dumps(Evil(os.system, "touch owned"))), "batches.meta is not a batch"),
    "numpy": (spoilt("test_batch", pickle.dumps(Evil(np.load, "x"), protocol=2)), "numpy.load"),
    "attribute": (spoilt("test_batch", b"\x80\x04\x8c\x05numpy\x94\x8c\x0bdtype.types\x94\x93."), "numpy.dtype.types"),
    "objects": (batch(data=np.array([[None] * 3072] * 10)), "no array of bytes 'data'"),
    "floats": (batch(data=CIFAR[:10].astype("f4")), "no array of bytes 'data'.*f4"),
    "width": (batch(data=CIFAR[:10, :100]), "rows of 3072"),
    "a list": (batch(data=[1, 2]), "no array of bytes"),
    "lies": (spoilt("data_batch_1", LIES), "2130706432 x 3072 of b'u1' in 30720 bytes"),
    "labels": (batch(labels=["a"] * 10), "no list of whole numbers 'labels'"),
    "no labels": (batch(labels=None), "no list of whole numbers"),
    "counts": (batch(labels=[0] * 9), "10 images and 9 labels"),
    "unnamed": (batch(labels=[0, 1, 7] + [2] * 7), "row 12 has class number 7 and there are 3 names"),
    "names": (spoilt("batches.meta", pickle.dumps({"label_names": 3})), "no list of words"),
    "twice": (spoilt("batches.meta", pickle.dumps({"label_names": ["a", "b", "a"]})), "'a' is named twice"),
    "words": (spoilt("batches.meta", pickle.dumps({"label_names": [b"\xff", b"\xfe", b"a"]})), "is named twice"),
    "not a mapping": (spoilt("test_batch", pickle.dumps([1])), "is not a batch of images"),
    "no pickle": (spoilt("test_batch", b"hello"), "is not a batch of images"),
    "truncated": (spoilt("test_batch", old_pickle({b"data": CIFAR})[:-9]), "is not a batch of images"),
    "promise": (spoilt("test_batch", b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x."), "is not a batch of images"),
    "memory": (spoilt("test_batch", b"\x80\x02Nr\xff\xff\xff\xff."), "not those of an array"),
    "deep": (spoilt("test_batch", DEEP), "not those of an array"),
    "no batch": (spoilt("data_batch_3", None), "data_batch_3 is missing: unpack the whole archive"),
    "a pipe": (piped, "no ordinary file"),
    "no test": (spoilt("test_batch", None), "test_batch is missing"),
}


@pytest.mark.parametrize("case", BAD_CIFAR)
def test_bad_batches_are_not_run_and_say_what_is_wrong(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, message = BAD_CIFAR[case]
    with pytest.raises(DataError, match=message):
        load_problem(make(tmp_path / "cifar"))
    assert not (tmp_path / "owned").exists()


def test_the_hostile_pickles_would_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Evil(subprocess.getoutput, "touch owned")))
    assert (tmp_path / "owned").exists()


def test_a_pickle_cannot_change_the_reader(tmp_path):
    from engram.data.sources import cifar

    before = dict(vars(cifar._Passive))
    for change in (b"}U\x05stateNsb", b"N}U\x0c__setstate__Ns\x86b"):
        content = b"\x80\x02cnumpy\nndarray\n" + change + b"."
        with pytest.raises(DataError):
            load_problem(spoilt("test_batch", content)(tmp_path / str(len(content))))
    assert dict(vars(cifar._Passive)) == before


# Hugging Face

COLOUR = RNG.integers(0, 256, (60, 4, 5, 3), dtype=np.uint8)
ANIMALS = ["eel", "cat", "dog"]
NAMED = {"image": {"_type": "Image"}, "label": {"names": ANIMALS, "_type": "ClassLabel"}}


def png(pixels, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return {"bytes": file.getvalue(), "path": None}


def pictures(rows, features=NAMED, **changes):
    columns = {"image": [png(p) for p in COLOUR[rows]], "label": CLASSES[rows]} | changes
    types = {"image": pa.struct([("bytes", pa.binary()), ("path", pa.string())])}
    arrays = {name: pa.array(values, types.get(name)) for name, values in columns.items()}
    return described(pa.table(arrays), features)


def table(rows, **changes):
    columns = {
        "age": RNG.normal(size=60)[rows],
        "city": (["Oslo", "Rome"] * 30)[rows],
        "label": CLASSES[rows],
    } | changes
    return described(pa.table(columns), {"label": NAMED["label"]})


def described(content, features):
    return content.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})} if features else None
    )


def saved(folder, *shards, features=None):
    """What `Dataset.save_to_disk` writes."""
    folder.mkdir(parents=True)
    names = [f"data-{k:05}-of-{len(shards):05}.arrow" for k in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, shard.schema) as writer:
            writer.write_table(shard)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": n} for n in names], "_split": None}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features or {}}))
    return folder


def saved_dict(folder, **splits):
    for name, shards in splits.items():
        saved(folder / name, *shards)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return folder


def parquet(folder, **splits):
    """Shards as they lie on the hub."""
    folder.mkdir(parents=True)
    for name, shards in splits.items():
        for k, shard in enumerate(shards):
            pq.write_table(shard, folder / f"{name}-{k:05}-of-{len(shards):05}.parquet")
    return folder


PARTS = {"train": [slice(0, 20), slice(20, 30)], "validation": [slice(30, 45)], "test": [slice(45, 60)]}
EXPECTED = Problem.from_arrays(
    COLOUR[:30], CLASSES[:30], select=(COLOUR[30:45], CLASSES[30:45]), test=(COLOUR[45:], CLASSES[45:])
)


@pytest.mark.parametrize("form", ["saved", "parquet", "data", "numbered", "info"])
def test_hugging_face_images_in_every_layout(form, tmp_path):
    path = tmp_path / "animals"
    make = (lambda r: pictures(r, None)) if form == "info" else pictures
    splits = {name: [make(rows) for rows in shards] for name, shards in PARTS.items()}
    if form in ("saved", "info"):
        saved_dict(path, **splits, unsupervised=[pictures(slice(0, 3))])
        (path / "train" / "cache-1234.arrow").write_bytes(b"left by the library")
        (path / "train" / "dataset_info.json").write_text(json.dumps({"features": NAMED}))
    elif form == "numbered":
        for name, shards in splits.items():
            (path / "default" / name).mkdir(parents=True)
            for k, shard in enumerate(shards):
                pq.write_table(shard, path / "default" / name / f"{k:04}.parquet")
    else:
        parquet(path / "data" if form == "data" else path, **splits, extra=[pictures(slice(0, 3))])
    problem = load_problem(path)
    assert problem.fingerprint == EXPECTED.fingerprint
    assert problem.target.names == tuple(ANIMALS)
    assert problem.name == "animals"
    assert np.array_equal(raw_inputs(path), COLOUR[45:])


def test_one_split_of_images_is_split_by_seed(tmp_path):
    whole = pictures(slice(0, 60))
    pq.write_table(whole, tmp_path / "animals.parquet")
    expected = Problem.from_arrays(COLOUR, CLASSES, seed=5)
    for path in (tmp_path / "animals.parquet", saved(tmp_path / "animals", whole)):
        problem = load_problem(path, seed=5)
        assert problem.fingerprint == expected.fingerprint
        assert problem.target.names == tuple(ANIMALS)
        assert np.array_equal(raw_inputs(path), COLOUR)


def test_the_target_of_images_is_found_or_named(tmp_path):
    features = {"image": NAMED["image"], "kind": NAMED["label"]}
    content = (
        pictures(slice(0, 60), features).rename_columns(["image", "kind"]).append_column("size", [list(range(60))])
    )
    path = saved(tmp_path / "a", described(content, features))
    assert load_problem(path).target.names == tuple(ANIMALS)
    assert load_problem(path, target="size").classes is None
    with pytest.raises(UnknownNameError, match="did you mean kind"):
        load_problem(path, target="kinds")
    with pytest.raises(DataError, match="Pass --target with one of kind, other"):
        load_problem(
            saved(
                tmp_path / "b",
                described(content.append_column("other", [CLASSES]), features | {"other": NAMED["label"]}),
            )
        )


def test_hugging_face_tables_keep_their_splits_and_names(tmp_path):
    splits = {name: [table(rows) for rows in shards] for name, shards in PARTS.items()}
    for path in (saved_dict(tmp_path / "saved", **splits), parquet(tmp_path / "shards", **splits)):
        problem = load_problem(path)
        assert (len(problem.train), len(problem.select), len(problem.test)) == (30, 15, 15)
        assert problem.preprocessing.names == ("age", "city = Oslo", "city = Rome")
        assert set(problem.target.names) == set(ANIMALS)
        assert list(raw_inputs(path)["label"]) == [ANIMALS[k] for k in CLASSES[45:]]
        assert load_problem(path, target="age").classes is None
        with pytest.raises(SettingError, match="is split already"):
            load_problem(path, split="city")


def test_rows_of_one_saved_table_are_grouped_and_split_as_asked(tmp_path):
    frame = pd.DataFrame({"a": RNG.normal(size=60), "who": np.arange(60) // 3, "part": ["train"] * 45 + ["test"] * 15})
    content = pa.Table.from_pandas(frame.assign(label=CLASSES).sample(60, random_state=0))
    assert "__index_level_0__" in content.schema.names
    path = saved(tmp_path / "t", content)
    problem = load_problem(path, group="who", split="part")
    assert problem.preprocessing.names == ("a",)
    assert len(problem.test) == 15


def test_parquet_files_without_images_stay_tables(tmp_path):
    pq.write_table(table(slice(0, 60)), tmp_path / "t.parquet")
    assert type(find(tmp_path / "t.parquet")).__name__ == "Table"
    assert load_problem(tmp_path / "t.parquet", target="label").target.names == ("0", "1", "2")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="not a readable table"):
        load_problem(tmp_path / "broken.parquet")


def one(**changes):
    return lambda path: saved(path, pictures(slice(0, 60), **changes))


def with_image(row, value):
    images = [png(p) for p in COLOUR]
    images[row] = value
    return one(image=images)


def with_state(**state):
    def make(path):
        saved(path, pictures(slice(0, 60)))
        (path / "state.json").write_text(json.dumps(state))
        return path

    return make


def rewritten(name, content):
    def make(path):
        saved(path, pictures(slice(0, 60)))
        file = path / name
        file.write_bytes(content(file.read_bytes()))
        return path

    return make


def two(**splits):
    return lambda path: saved_dict(path, **{name: [pictures(rows)] for name, rows in splits.items()})


def incomplete(path):
    parquet(path, train=[pictures(slice(0, 20)), pictures(slice(20, 40))], test=[pictures(slice(40, 60))])
    (path / "train-00001-of-00002.parquet").unlink()
    return path


SPOILT_NAMES = NAMED | {"label": {"names": [1, 2], "_type": "ClassLabel"}}
DATA = "data-00000-of-00001.arrow"
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 4\n%%EndComments\n(owned) (w) file\n%%EOF\n"
BAD_HUGGING_FACE = {
    "not an image": (with_image(7, {"bytes": b"hello", "path": None}), "train: row 7 is not a readable image"),
    "a script": (with_image(7, {"bytes": POSTSCRIPT, "path": None}), r"row 7 is not .* \(cannot identify"),
    "a path": (with_image(7, {"bytes": None, "path": "/etc/passwd"}), "row 7 holds no image, at most the path"),
    "no image": (with_image(7, None), "row 7 holds no image"),
    "size": (with_image(7, png(COLOUR[0, :3])), r"row 7 is \(3, 5, 3\)"),
    "grey": (with_image(7, png(COLOUR[0, :, :, 0])), r"row 7 is \(4, 5\)"),
    "16 bits": (with_image(7, png(np.zeros((4, 5), np.uint16))), "8 bits a channel"),
    "unlabelled": (one(label=[0, 1, -1, *CLASSES[3:]]), "class number -1 .* remove the rows without a label"),
    "beyond": (one(label=[0, 1, 3, *CLASSES[3:]]), "class number 3 and there are 3 names"),
    "null label": (one(label=[0, 1, None, *CLASSES[3:]]), "target 'label' is missing in 1 rows"),
    "word label": (one(label=["a", "b", "c"] * 20), "class number 'a'"),
    "names": (one(features=SPOILT_NAMES), "class names of 'label' are not a list of words"),
    "two images": (one(more=[png(p) for p in COLOUR]), "image columns image, more: keep one"),
    "no target": (
        lambda p: saved(p, pictures(slice(60)).rename_columns(["image", "kind"])),
        "Pass --target with one of image, kind",
    ),
    "no train": (two(test=slice(0, 30), validation=slice(30, 60)), "no train split beside select, test"),
    "no test": (two(train=slice(0, 30), validation=slice(30, 60)), "no test split beside select, train"),
    "shards": (incomplete, "has 1 shards of train, not 00002"),
    "columns": (
        lambda p: parquet(p, train=[pictures(slice(0, 20)), table(slice(0, 20))], test=[pictures(slice(20, 60))]),
        "differ in their columns",
    ),
    "test columns": (
        lambda p: saved_dict(p, train=[pictures(slice(0, 40))], test=[table(slice(40, 60))]),
        "test has image columns none",
    ),
    "no label in test": (
        lambda p: saved_dict(p, train=[pictures(slice(0, 40))], test=[pictures(slice(40, 60)).drop_columns("label")]),
        "test has no column 'label'",
    ),
    "configurations": (
        lambda p: parquet(p / "b", train=[table(slice(60))]) and parquet(p / "a", train=[table(slice(60))]).parent,
        "holds parquet shards in .*a, .*b: give one",
    ),
    "no rows": (one(image=[], label=[]), "has no rows"),
    "state": (rewritten("state.json", lambda c: c[:-3]), "not readable JSON"),
    "state kind": (rewritten("state.json", lambda c: b"[]"), "no JSON object"),
    "no files": (with_state(_data_files=7), "lists no data files"),
    "elsewhere": (with_state(_data_files=[{"filename": "../../secret.arrow"}]), "lists no data files beside it"),
    "missing file": (with_state(_data_files=[{"filename": "gone.arrow"}]), "gone.arrow is not readable Arrow"),
    "indices": (with_state(_data_files=[{"filename": DATA}], _indices_data_files=[{"filename": "i"}]), "holds indices"),
    "truncated": (rewritten(DATA, lambda c: c[: len(c) // 2]), "not readable Arrow"),
    "not arrow": (rewritten(DATA, lambda c: b"hello" * 99), "not readable Arrow"),
    "lists": (lambda p: saved(p, table(slice(60), age=[[1.0, 2.0]] * 60)), "column 'age' holds list"),
    "double": (lambda p: saved(p, table(slice(60)).rename_columns(["age", "age", "label"])), "'age' stands twice"),
    "table names": (lambda p: saved(p, table(slice(60), label=[9, *CLASSES[1:]])), "label: row 0 has class number 9"),
    "table no target": (
        lambda p: saved(p, table(slice(60)).drop_columns("label")),
        "Pass --target with one of age, city",
    ),
    "metadata": (
        lambda p: saved(p, table(slice(60)).replace_schema_metadata({"huggingface": "{"})),
        "metadata of Hugging Face are not JSON",
    ),
}


@pytest.mark.parametrize("case", BAD_HUGGING_FACE)
def test_bad_datasets_say_what_is_wrong(case, tmp_path):
    make, message = BAD_HUGGING_FACE[case]
    with pytest.raises(EngramError, match=message):
        load_problem(make(tmp_path / "data"))


def test_images_take_no_group(tmp_path):
    with pytest.raises(SettingError, match="take no group"):
        load_problem(one()(tmp_path / "data"), group="label")


# Pictures and folders


def test_pictures_of_every_kind_are_stacked():
    grey = COLOUR[:, :, :, 0]
    for kind in ("PNG", "BMP", "TIFF"):
        assert np.array_equal(stack([("a", io.BytesIO(png(p, kind)["bytes"])) for p in grey[:2]], 2), grey[:2])
    clear = np.dstack([COLOUR[0], np.full((4, 5), 255, np.uint8)])
    assert np.array_equal(stack([("a", io.BytesIO(png(clear)["bytes"]))], 1)[0], COLOUR[0])


def test_a_picture_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15)
    with pytest.raises(DataError, match=r"the bomb is not a readable image .*decompression bomb"):
        stack([("the bomb", io.BytesIO(png(COLOUR[0])["bytes"]))], 1)


def test_class_numbers_need_a_name():
    require_named([0, 1], ("a", "b"), "pets")
    for labels in ([0, 2], [-1], [True], ["0"]):
        with pytest.raises(DataError, match=r"pets: row \d has class number"):
            require_named(labels, ("a", "b"), "pets")


def image_folder(path):
    for k, pixels in enumerate(COLOUR):
        folder = path / ANIMALS[k % 3]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{k:02}.png").write_bytes(png(pixels)["bytes"])
    return path


def test_folders_are_told_by_what_they_hold(tmp_path):
    kinds = {
        "Images": image_folder(tmp_path / "images"),
        "Idx": mnist(tmp_path / "idx"),
        "Cifar": cifar10(tmp_path / "cifar"),
        "HuggingFace": saved(tmp_path / "saved", table(slice(0, 60))),
    }
    assert {name: type(find(path)).__name__ for name, path in kinds.items()} == {name: name for name in kinds}
    assert len(load_problem(kinds["Images"]).test) == 12
    assert type(find(cifar100(tmp_path / "100"))).__name__ == "Cifar"
    # A table beside the classes does not make a dataset of images another one.
    pq.write_table(table(slice(0, 60)), kinds["Images"] / "metadata.parquet")
    assert type(find(kinds["Images"])).__name__ == "Images"
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no known kind; give one of these.*CIFAR.*Hugging Face.*Idx.*sub-folder"):
        find(tmp_path / "empty")


def test_other_files_are_told_what_is_read(tmp_path):
    for name in ("notes.docx", "notes", "table.csv.gz", "train-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(DataError, match=r"are not data; use \.arff, \.csv, .*idx3-ubyte.*or a folder"):
            find(tmp_path / name)


def test_a_folder_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    folder = mnist(tmp_path / "m")

    def refuse(self):
        raise PermissionError("not yours")

    monkeypatch.setattr(type(folder), "iterdir", refuse)
    with pytest.raises(DataError, match=r"cannot be read .not yours"):
        find(folder)


@pytest.mark.parametrize(
    ("text", "column", "values"),
    [
        ("age,zip,y\n20,02139,a,\n21,10001,b,\n", "zip", ["02139", "10001"]),
        ("age;paid;y\n20;1,5;a\n21;-;b\n", "paid", ["1,5", None]),
        ("a,t\n1,True\n2,false\n", "t", [True, False]),
        ("a,t\n1,1\n?,2.5\n", "a", [1.0, None]),
    ],
)
def test_tables_are_read_as_they_stand(tmp_path, text, column, values):
    (tmp_path / "t.csv").write_text(text)
    found = find(tmp_path / "t.csv").raw()[column]
    assert [None if pd.isna(v) else v for v in found] == values


def test_odd_tables_are_one_sentence(tmp_path):
    for rows, match in (
        ("1,2,\n3,4,5\n", "row 1 has more values than the header"),
        ("1,2\n3,4,5\n", "in line 3, saw 3"),
    ):
        (tmp_path / "long.csv").write_text("a,b\n" + rows)
        with pytest.raises(DataError, match=match):
            find(tmp_path / "long.csv").raw()
    (tmp_path / "latin.csv").write_bytes("a,b\n1,2\n3,caf\xe9\n".encode("latin-1"))
    with pytest.raises(DataError, match="line 3 is not UTF-8"):
        find(tmp_path / "latin.csv").raw()


def test_photographs_of_different_sizes_are_scaled_to_one(tmp_path):
    for place, (name, mode) in enumerate([("cat", "L"), ("dog", "L"), ("cat", "RGB")]):
        (tmp_path / name).mkdir(exist_ok=True)
        for k in range(6):
            Image.new(mode, (30 + k, 20 + 2 * k), 90).save(tmp_path / name / f"{mode}{k}{place}.png")
    with pytest.raises(DataError, match="pass --size 64"):
        load_problem(tmp_path)
    assert load_problem(tmp_path, size=16).task.shape == (3, 16, 16)
    for file in (tmp_path / "cat").glob("RGB*"):
        file.unlink()
    assert load_problem(tmp_path, size=16).task.shape == (1, 16, 16)
    assert raw_inputs(str(tmp_path), 8).shape == (12, 8, 8)
    with pytest.raises(SettingError, match="at least 2"):
        load_problem(tmp_path, size=1)


def test_codes_that_lost_their_zeros_are_known_again():
    frame = pd.DataFrame({"zip": ["02139", "10001", "90210"] * 20, "y": [0, 1, 1] * 20})
    problem = Problem.from_frame(frame, "y", kinds={"zip": "category"})
    codes = pd.DataFrame({"zip": [2139, 10001, 11111]})
    assert problem.preprocessing.encode(codes)[:2].argmax(1).tolist() == [0, 1]
    assert problem.preprocessing.unseen(codes) == {"zip": 1}


def test_dates_are_no_target_and_wide_characters_are_named(tmp_path):
    frame = pd.DataFrame({"a": range(40), "when": pd.date_range("2026-01-01", periods=40)})
    with pytest.raises(DataError, match="target 'when' holds dates"):
        Problem.from_frame(frame, "when")
    frame.to_csv(tmp_path / "w.csv", index=False, encoding="utf-16")
    with pytest.raises(DataError, match="the table is UTF-16: save it as UTF-8"):
        load_problem(tmp_path / "w.csv", target="a")
