"""`autolabel score`: batch scoring alone, without a job."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from autolabel.cli.terminal import add_json, print_json, reporter, say

if TYPE_CHECKING:
    import argparse


def add_verbs(verbs: Any) -> None:
    """Add `score`."""
    parser = verbs.add_parser("score", help="embed and score a manifest with a model; no labels are bought")
    parser.add_argument("manifest", help="JSON Lines with `source` or `source-ref`; a path or s3:// URI")
    parser.add_argument("--model", required=True, help="a job's model: name, model ARN, folder or model.tar.gz")
    parser.add_argument("--output", required=True, help="folder for scores.jsonl and the embeddings")
    parser.add_argument("--shard", metavar="I/N", help="do the I-th of N parts only; a run without it then finishes")
    parser.add_argument(
        "--labels-only", action="store_true", help="write labels.jsonl; read only what may have changed"
    )
    parser.add_argument("--root", help="folder that relative source-refs start at (default: the manifest's)")
    parser.add_argument("--endpoint-url", help="S3 endpoint")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--runtime", default="auto", help="auto, onnxruntime, openvino or torch (on processors)")
    parser.add_argument(
        "--int8", action="store_true", help="compute in 8-bit integers if a sample gets the same labels that way"
    )
    parser.add_argument("--threads", type=int, default=0, help="threads that decode and encode (default: one a core)")
    parser.add_argument("--max-objects", type=int, default=10_000_000)
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="ray: spread shards over a cluster")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes of the engine ray (default: one a GPU or machine)"
    )
    add_json(parser)
    parser.set_defaults(verb=_score)


def _score(options: argparse.Namespace) -> int:
    from autolabel.cli.main import ExitCode
    from autolabel.errors import SettingsError
    from autolabel.inference.runtimes.base import RuntimeKind
    from autolabel.job.scoring import Part, ScoreRequest, score_manifest

    if options.runtime not in set(RuntimeKind):
        raise SettingsError(f"found the runtime {options.runtime!r}; expected one of {', '.join(RuntimeKind)}")
    request = ScoreRequest(
        manifest=options.manifest,
        model=options.model,
        output=options.output,
        root=options.root,
        endpoint_url=options.endpoint_url,
        device=options.device,
        runtime=RuntimeKind(options.runtime),
        labels_only=options.labels_only,
        int8=options.int8,
        threads=options.threads,
        max_objects=options.max_objects,
    )
    part = Part.parse(options.shard) if options.shard else None
    if part is not None and options.engine == "ray":
        raise SettingsError("found --shard and --engine ray; Ray spreads all shards by itself, leave --shard out")
    progress = reporter(options)
    try:
        if options.engine == "ray":
            from autolabel.job.scoring_ray import score_with_ray

            with redirect_stdout(sys.stderr):  # Ray tells of lost workers where the result belongs
                result = score_with_ray(request, workers=options.workers, progress=progress)
        else:
            result = score_manifest(request, part=part, progress=progress)
    finally:
        progress.close()
    if options.json:
        print_json(result)
    else:
        if (reduced := result["reduced"]) is not None:
            used = f"is used: {reduced['agreement'].get('same', 0):.2%} the same labels"
            say(f"{reduced['precision']} {'is refused: ' + reduced['refusal'] if reduced['refusal'] else used}")
        where = result["scores"] or f"part {options.shard} is in {options.output}"
        if lost := result.get("workers_lost"):
            say(f"{lost} Ray workers died; what they had begun was made again")
        say(f"{result['scored']:,} objects scored, {result['failed']:,} failed: {where}")
    return ExitCode.FINISHED
