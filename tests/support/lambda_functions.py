"""Python functions in the place of Lambda functions."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

CALLS: list[dict] = []


def pre(event):
    """Hand the whole line on, and spare what the line says nobody should see."""
    CALLS.append(event)
    line = event["dataObject"]
    return {
        "taskInput": {"taskObject": line.get("source", line.get("source-ref")), "labels": ["yes", "no"], "line": line},
        "isHumanAnnotationRequired": not line.get("spare", False),
    }


def consolidate(event):
    """Take what most people said, read from where the payload lies."""
    CALLS.append(event)
    payload = json.loads(Path(event["payload"]["s3Uri"]).read_text())
    found = []
    for item in payload:
        contents = [annotation["annotationData"]["content"] for annotation in item["annotations"]]
        most, count = Counter(contents).most_common(1)[0]
        content = {
            event["labelAttributeName"]: json.loads(most),
            f"{event['labelAttributeName']}-metadata": {"votes": count, "job-name": "not the Lambda's to say"},
        }
        found.append({"datasetObjectId": item["datasetObjectId"], "consolidatedAnnotation": {"content": content}})
    return found


def forgetful(event):
    """Say nothing of the first object."""
    return consolidate(event)[1:]


def broken(_event):
    """Fail as functions do."""
    raise RuntimeError("no such table")


def silly(_event):
    """Answer otherwise than asked."""
    return {"taskInput": "not an object"}
