"""Lambda functions of a job's own: before people see an object, and after they answered.

Requests and responses are those of "Processing with AWS Lambda" in the Ground Truth guide and of captured traffic. A
function is invoked by boto3, or is a Python function that the setting ``functions`` gives the Lambda's name to.
"""

from __future__ import annotations

import json
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

from autolabel.api.arns import Arn
from autolabel.errors import JobFailedError, SettingsError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Function = Callable[[dict[str, Any]], Any]

PRE_VERSION = "2018-10-16"
CONSOLIDATION_VERSION = "2018-10-06"
_FORM = re.compile(r"([\w-]+)=([\w.]+):(\w+)")
_ANSWER_SECONDS = 900
"""The longest that a Lambda function may run."""


class Lambdas:
    """Calls functions by their ARN.

    Parameters
    ----------
    functions
        ``NAME=package.module:function`` for each Lambda function that is a Python function here. It takes the request
        as a dictionary and returns the response.

    Raises
    ------
    SettingsError
        An entry of another form, or a function that cannot be imported.
    """

    def __init__(self, functions: Sequence[str] = ()) -> None:
        self._own = dict(map(_imported, functions))
        self._clients: dict[str, Any] = {}

    def is_local(self, arn: str) -> bool:
        """Tell whether a function runs in this process."""
        return _name(arn) in self._own

    def call(self, arn: str, request: dict[str, Any]) -> Any:
        """Invoke a function and return its response.

        Raises
        ------
        JobFailedError
            The function failed, is not there, or may not be invoked: nothing that waiting would mend.
        StorageError
            It could not be reached now.
        """
        own = self._own.get(_name(arn))
        if own is None:
            return self._invoke(arn, request)
        try:
            # What a Lambda would be given and give back: JSON, and no object of ours.
            return json.loads(json.dumps(own(json.loads(json.dumps(request)))))
        except Exception as error:
            raise _failure(arn, f"{type(error).__name__}: {error}") from error

    def _invoke(self, arn: str, request: dict[str, Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client(arn).invoke(FunctionName=arn, Payload=json.dumps(request).encode())
            payload = answer["Payload"].read()
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in {"TooManyRequestsException", "ServiceException", "ThrottlingException"}:
                raise StorageError(arn, f"cannot be invoked now: {error}") from error
            raise _failure(arn, code or str(error)) from error
        except BotoCoreError as error:
            raise StorageError(arn, f"cannot be reached: {error}") from error
        if answer.get("FunctionError"):
            raise _failure(arn, str(answer["FunctionError"]))
        try:
            return json.loads(payload)
        except ValueError as error:
            raise _failure(arn, "its response is no JSON") from error

    def _client(self, arn: str) -> Any:
        import boto3
        from botocore.config import Config

        parts = Arn.parse(arn)
        region = parts.region if parts is not None else ""
        if region not in self._clients:
            config = Config(read_timeout=_ANSWER_SECONDS, retries={"mode": "standard", "max_attempts": 4})
            self._clients[region] = boto3.client("lambda", region_name=region or None, config=config)
        return self._clients[region]


def pre_request(job_arn: str, line: Mapping[str, Any]) -> dict[str, Any]:
    """Build the request of a pre-annotation function for one manifest line."""
    return {"version": PRE_VERSION, "labelingJobArn": job_arn, "dataObject": dict(line)}


def read_pre_response(arn: str, response: Any) -> tuple[dict[str, Any], bool]:
    """Read a pre-annotation response: ``task.input``, and whether people are to be asked.

    Raises
    ------
    JobFailedError
        There is no ``taskInput`` in it.
    """
    task_input = response.get("taskInput") if isinstance(response, dict) else None
    if not isinstance(task_input, dict):
        raise _failure(arn, "found no taskInput in its response; expected a JSON object")
    return task_input, response.get("isHumanAnnotationRequired", True) is not False


def consolidation_event(
    *,
    job_arn: str,
    categories: Sequence[str],
    attribute: str,
    role_arn: str,
    payload: str,
    output: str,
    workers: int,
) -> dict[str, Any]:
    """Build the request of a consolidation function; the answers are in the file that `payload` names."""
    return {
        "version": CONSOLIDATION_VERSION,
        "labelingJobArn": job_arn,
        "labelCategories": list(categories),
        "labelAttributeName": attribute,
        "roleArn": role_arn,
        "payload": {"s3Uri": payload},
        "outputConfig": output,
        "maxHumanWorkersPerDataObject": workers,
        "vpcEnabled": False,
    }


def _imported(entry: str) -> tuple[str, Function]:
    match = _FORM.fullmatch(entry)
    if match is None:
        raise SettingsError(f"found the function {entry!r}; expected NAME=package.module:function")
    name, module, function = match.groups()
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"the function {entry!r} cannot be imported: {error}") from error
    if not callable(found):
        raise SettingsError(f"found {entry!r}, which is no function")
    return name, found


def _name(arn: str) -> str:
    """Return a function's name; a version or an alias behind it does not matter."""
    parts = Arn.parse(arn)
    return "" if parts is None else parts.resource.removeprefix("function:").partition(":")[0]


def _failure(arn: str, code: str) -> JobFailedError:
    return JobFailedError(
        f"ClientError: Exception invoking the Lambda function {arn}. LambdaErrorCode: {code}. Ensure the Lambda "
        "function exists, that the role has permissions to invoke it and try your request again."
    )
