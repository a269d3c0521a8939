"""Lambda functions of a job's own: as Python functions, and invoked by boto3 with the service's own forms."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
from support import lambda_functions
from support.web import ACS, PRE, content_of, served

from autolabel import Answer, JobStatus, LabelingJob, LabelingJobRequest, Settings
from autolabel.api.example import example_document
from autolabel.api.kinds import TaskKind
from autolabel.errors import InvalidRequestError, JobFailedError, SettingsError, StorageError
from autolabel.workforce.lambdas import Lambdas

TEMPLATE = """<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form>{{ task.input.line.note }}: {{ task.input.taskObject }}
<crowd-input name="word"></crowd-input></crowd-form>"""


def document(folder, count=14, *, spare=(), output=None, **humans):
    lines = [
        {"source": f"text {number}", "note": f"note {number}", "spare": number in spare} for number in range(count)
    ]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "template.html").write_text(TEMPLATE)
    made = example_document(
        TaskKind.TEXT_CLASSIFICATION, name="own", attribute="said", manifest=str(folder / "manifest.jsonl"),
        output=output or str(folder / "out"), workers=2, batch=5, automated=False,
    )  # fmt: skip
    del made["LabelCategoryConfigS3Uri"]
    made["HumanTaskConfig"] |= {
        "UiConfig": {"UiTemplateS3Uri": str(folder / "template.html")},
        "PreHumanTaskLambdaArn": PRE,
        "AnnotationConsolidationConfig": {"AnnotationConsolidationLambdaArn": ACS},
        **humans,
    }
    return LabelingJobRequest.from_document(made)


OWN = ("pre=support.lambda_functions:pre", "acs=support.lambda_functions:consolidate")


def settings(folder, *functions, **changes):
    return Settings(workforce=f"web:{folder / 'team'}?port=0", functions=functions, **changes)


def answer_all(job):
    """Two people who agree about everything but object 3."""
    while not (step := job.advance()).finished:
        taken = job.submit(
            Answer(task.object, worker, {"word": "odd" if (task.object, worker) == (3, "b") else f"said {task.object}"})
            for task in step.tasks
            for worker in "ab"
        )
        assert taken.accepted == 2 * len(step.tasks)
    return step


def test_a_custom_job_goes_by_its_own_functions_from_the_manifest_to_the_manifest(tmp_path):
    lambda_functions.CALLS.clear()
    with LabelingJob.create(document(tmp_path, spare={2, 9, 10, 11, 12, 13}), settings=settings(tmp_path, *OWN)) as job:
        tasks = job.advance().tasks
        number = tasks[0].object
        line = {"source": f"text {number}", "note": f"note {number}", "spare": False}
        assert tasks[0].input == {"taskObject": f"text {number}", "labels": ["yes", "no"], "line": line}
        step = answer_all(job)
        assert step.status is JobStatus.COMPLETED
        lines = [json.loads(line) for line in job.folder.output_manifest.read_text().splitlines()]
        assert [line.get("said", {}).get("word") for line in lines[:3]] == ["said 0", "said 1", None]
        assert "no human annotation is required" in lines[2]["said-metadata"]["failure-reason"]
        metadata = lines[0]["said-metadata"]
        assert list(metadata) == ["votes", "type", "job-name", "human-annotated", "creation-date"]
        assert (metadata["votes"], metadata["type"], metadata["job-name"]) == (
            2,
            "groundtruth/custom",
            "labeling-job/own",
        )
        assert lines[3]["said-metadata"]["votes"] == 1
        assert job.counters().failed == 6
        job.verify()
    asked = [call for call in lambda_functions.CALLS if "dataObject" in call]
    assert sorted(call["dataObject"]["source"] for call in asked) == sorted(f"text {number}" for number in range(14))
    assert set(asked[0]) == {"version", "labelingJobArn", "dataObject"}
    consolidations = [call for call in lambda_functions.CALLS if "payload" in call]
    assert set(consolidations[0]) == {
        "version", "labelingJobArn", "labelCategories", "labelAttributeName", "roleArn", "payload", "outputConfig",
        "maxHumanWorkersPerDataObject", "vpcEnabled",
    }  # fmt: skip
    assert consolidations[0]["maxHumanWorkersPerDataObject"] == 2


def test_a_template_shows_what_the_pre_annotation_function_made(tmp_path):
    with (
        LabelingJob.create(document(tmp_path, 3), settings=settings(tmp_path, *OWN)) as job,
        served(job, tmp_path) as it,
    ):
        client = it.client("ann")
        while not (tasks := client.take()):
            pass
        status, headers, page = client.request("GET", tasks[0]["frame"])
        assert status == 200
        assert b"note 0: text 0" in page
        assert headers["content-security-policy"].startswith("sandbox allow-scripts allow-forms; default-src 'none'")
        assert client.answer(tasks[0]["lease"], {})[0] == 409
        assert client.answer(tasks[0]["lease"], {"anything": [1, 2]})[0] == 200
        assert content_of(job, 0) == {"anything": [1, 2]}


def test_an_object_that_the_consolidation_function_forgets_fails_and_the_others_do_not(tmp_path):
    functions = (OWN[0], "acs=support.lambda_functions:forgetful")
    with LabelingJob.create(document(tmp_path, 5), settings=settings(tmp_path, *functions)) as job:
        # One of five probes is more than a tenth of them: the job says so
        step = answer_all(job)
        assert step.status is JobStatus.FAILED
        reason = job.walk().store.one("SELECT reason FROM failure")["reason"]
        assert "returned no 'said'" in reason


@pytest.mark.parametrize(
    ("functions", "says"),
    [
        (("pre=support.lambda_functions:broken", OWN[1]), "LambdaErrorCode: RuntimeError: no such table"),
        (("pre=support.lambda_functions:silly", OWN[1]), "found no taskInput"),
        ((OWN[0], "acs=support.lambda_functions:broken"), "Ensure the Lambda function exists"),
        ((OWN[0], "acs=support.lambda_functions:silly"), "returned what it should not"),
    ],
)
def test_a_function_that_fails_fails_the_job_as_the_service_says_it(tmp_path, functions, says):
    with LabelingJob.create(document(tmp_path, 3), settings=settings(tmp_path, *functions)) as job:
        step = answer_all(job)
        assert step.status is JobStatus.FAILED
        assert step.failure_reason.startswith("ClientError: ")
        assert says in step.failure_reason


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("pre", "expected NAME=package.module:function"),
        ("pre=no_such_module:f", "cannot be imported"),
        ("pre=json:no_such_function", "cannot be imported"),
        ("pre=json:__name__", "which is no function"),
    ],
)
def test_a_function_that_is_none_is_found_out_before_the_job_starts(tmp_path, entry, says):
    with pytest.raises(SettingsError, match=says):
        LabelingJob.create(document(tmp_path, 3), settings=settings(tmp_path, entry, OWN[1]))
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_answers_that_no_lambda_could_read_are_refused_before_the_job_starts(tmp_path):
    with pytest.raises(InvalidRequestError, match="reads answers from S3"):
        LabelingJob.create(document(tmp_path, 3), settings=settings(tmp_path, OWN[0]))


class FakeLambda:
    """Speaks the Invoke operation of AWS Lambda's REST API."""

    def __init__(self, functions):
        self.functions = functions
        self.requests = []

    @contextmanager
    def serve(self, monkeypatch):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                name = unquote(self.path).split("/functions/")[1].split("/invocations")[0]
                event = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.requests.append((name, event))
                status, headers, body = outer.answer(name, event)
                self.send_response(status)
                for key, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{server.server_port}")
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, name, event):
        function = self.functions.get(name.rsplit(":", 1)[1])
        if function is None:
            return 404, {"x-amzn-ErrorType": "ResourceNotFoundException"}, b'{"Message": "Function not found"}'
        try:
            return 200, {}, json.dumps(function(event)).encode()
        except RuntimeError as error:
            return 200, {"X-Amz-Function-Error": "Unhandled"}, json.dumps({"errorMessage": str(error)}).encode()


def test_lambda_functions_are_invoked_by_boto3_and_read_their_payload_from_s3(tmp_path, moto, monkeypatch):
    client = moto.client()
    client.create_bucket(Bucket="answers")

    def acs(event):
        bucket, _, key = event["payload"]["s3Uri"].removeprefix("s3://").partition("/")
        payload = json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
        assert payload[0]["dataObject"] == {"content": "text 0"}
        return [
            {"datasetObjectId": item["datasetObjectId"],
             "consolidatedAnnotation": {"content": {event["labelAttributeName"]: len(item["annotations"])}}}
            for item in payload
        ]  # fmt: skip

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto.endpoint)
    request = document(tmp_path, 5, output="s3://answers/jobs")
    chosen = settings(tmp_path, endpoint_url=moto.endpoint)
    with FakeLambda({"pre": lambda_functions.pre, "acs": acs}).serve(monkeypatch) as lambdas:
        with LabelingJob.create(request, home=tmp_path / "out", settings=chosen) as job:
            step = answer_all(job)
            assert step.status is JobStatus.COMPLETED
            lines = [json.loads(line) for line in job.folder.output_manifest.read_text().splitlines()]
            assert [line["said"] for line in lines] == [2] * 5
            job.verify()
        names = {name for name, _ in lambdas.requests}
        assert names == {PRE, ACS}
        event = next(event for name, event in lambdas.requests if name == ACS)
        assert event["payload"]["s3Uri"].startswith(
            "s3://answers/jobs/own/annotations/consolidated-annotation/consolidation-request/iteration-1/"
        )
        assert event["outputConfig"] == "s3://answers/jobs/own/annotations"


def test_what_goes_wrong_at_lambda_is_told_apart(monkeypatch):
    with FakeLambda({"pre": lambda_functions.broken}).serve(monkeypatch):
        lambdas = Lambdas()
        with pytest.raises(JobFailedError, match="LambdaErrorCode: Unhandled"):
            lambdas.call(PRE, {})
        with pytest.raises(JobFailedError, match="LambdaErrorCode: ResourceNotFoundException"):
            lambdas.call(ACS, {})
    with pytest.raises(StorageError, match="cannot be reached"):
        lambdas.call(PRE, {})
