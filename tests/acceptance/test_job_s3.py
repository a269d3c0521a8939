"""A CreateLabelingJob document with s3:// everywhere, against a local S3 server; boto3 reads the result."""

from __future__ import annotations

import json

import pytest

from autolabel import JobStatus, LabelingJob, LabelingJobRequest, Settings
from autolabel.api.example import example_document
from autolabel.api.kinds import TaskKind
from autolabel.cli.quickstart import write_digits
from autolabel.testing import FixedClock, SimulatedWorkforce, write_toy_texts

KMS_KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def upload(server, bucket, folder, prefix="in"):
    client = server.client()
    for path in folder.rglob("*"):
        if path.is_file():
            client.put_object(
                Bucket=bucket, Key=f"{prefix}/{path.relative_to(folder).as_posix()}", Body=path.read_bytes()
            )


def document(bucket, kind, **changes):
    members = example_document(
        kind,
        name="Texts-On-S3",
        attribute="topic",
        manifest=f"s3://{bucket}/in/manifest.jsonl",
        output=f"s3://{bucket}/out/",
        categories=f"s3://{bucket}/in/labels.json",
        workers=1,
        **changes,
    )
    members["HumanTaskConfig"]["UiConfig"]["UiTemplateS3Uri"] = f"s3://{bucket}/in/template.liquid"
    members["OutputConfig"]["KmsKeyId"] = KMS_KEY
    return members


@pytest.mark.parametrize("server_name", ["moto", "rclone"])
def test_an_aws_request_runs_on_s3_and_boto3_reads_the_result(server_name, request, tmp_path):
    server = request.getfixturevalue(server_name)
    bucket = server.bucket()
    data = tmp_path / "data"
    data.mkdir()
    truth = write_toy_texts(data, 150)
    upload(server, bucket, data)
    labeling = LabelingJobRequest.from_document(document(bucket, TaskKind.TEXT_CLASSIFICATION))
    settings = Settings(model="tfidf", batch=20, endpoint_url=server.endpoint)
    with LabelingJob.create(labeling, tmp_path / "jobs", settings=settings, clock=FixedClock()) as job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        assert step.status is JobStatus.COMPLETED
        described = job.describe()
        local = job.folder.output_manifest.read_bytes()

    client = server.client()
    uri = described["LabelingJobOutput"]["OutputDatasetS3Uri"]
    assert uri == f"s3://{bucket}/out/Texts-On-S3/manifests/output/output.manifest"
    body = client.get_object(Bucket=bucket, Key=uri.split("/", 3)[3])["Body"].read()
    assert body == local
    assert len([json.loads(line) for line in body.splitlines()]) == 150
    keys = [item["Key"] for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="out/")
            for item in page.get("Contents", [])]  # fmt: skip
    names = {key.rsplit("/", 1)[1] for key in keys}
    assert {"certificate.json", "report.html", "ledger.csv", "events.jsonl", "scores.jsonl", "model.tar.gz"} <= names
    assert not any("/state/" in key for key in keys)


def test_what_is_written_to_s3_is_encrypted_with_the_requests_key(moto, tmp_path):
    bucket = moto.bucket()
    data = tmp_path / "data"
    data.mkdir()
    truth = write_toy_texts(data, 30)
    upload(moto, bucket, data)
    labeling = LabelingJobRequest.from_document(document(bucket, TaskKind.TEXT_CLASSIFICATION))
    settings = Settings(model="tfidf", endpoint_url=moto.endpoint)
    with LabelingJob.create(labeling, tmp_path / "jobs", settings=settings, clock=FixedClock()) as job:
        job.run(SimulatedWorkforce(truth, job.task))
    head = moto.client().head_object(Bucket=bucket, Key="out/Texts-On-S3/manifests/output/output.manifest")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", KMS_KEY)


def test_pictures_are_read_from_s3_and_a_missing_one_fails_alone(moto, tmp_path):
    bucket = moto.bucket()
    data = tmp_path / "data"
    write_digits(data)
    lines = [json.loads(line) for line in (data / "manifest.jsonl").read_text().splitlines()][:120]
    for line in lines:
        line["source-ref"] = f"s3://{bucket}/in/{line['source-ref']}"
    lines[7]["source-ref"] = f"s3://{bucket}/in/images/gone.png"
    (data / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    truth = [int(json.loads(line)["label"]) for line in (data / "truth.jsonl").read_text().splitlines()[:120]]
    for path in sorted((data / "images").iterdir())[120:]:
        path.unlink()
    upload(moto, bucket, data)
    labeling = LabelingJobRequest.from_document(document(bucket, TaskKind.IMAGE_CLASSIFICATION))
    settings = Settings(model="pixels", batch=20, endpoint_url=moto.endpoint)
    with LabelingJob.create(labeling, tmp_path / "jobs", settings=settings, clock=FixedClock()) as job:
        step = job.run(SimulatedWorkforce(truth, job.task))
        assert step.status is JobStatus.COMPLETED
        assert job.counters().failed == 1
        record = json.loads(job.folder.output_manifest.read_text().splitlines()[7])
        assert "gone.png" in record["topic-metadata"]["failure-reason"]
