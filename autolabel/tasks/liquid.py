"""Worker templates: HTML in Liquid, with Ground Truth's filters ("Creating your custom labeling task template").

A template sees plain JSON values and nothing else: no attribute of an object, no file, no other template. Loops, memory
and output are bounded, so that one that runs away is refused instead of waited for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autolabel.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from liquid import Environment

LONGEST_TEMPLATE = 1_000_000
MOST_ITERATIONS = 100_000
MOST_OUTPUT = 5_000_000
"""Bytes of a rendered page, and of what its variables hold on the way."""

CROWD_ELEMENTS = "https://assets.crowd.aws/crowd-html-elements.js"
"""Where AWS's templates load their elements from; here they come from the page's own server."""


class WorkerTemplate:
    """A parsed template.

    Parameters
    ----------
    text
        HTML in Liquid, as ``UiTemplateS3Uri`` holds it.
    grant
        Turns an object's URI into an address that the worker's browser may load for a while: ``grant_read_access``.
    elements
        Address of our own crowd elements, which takes the place of AWS's.

    Raises
    ------
    InvalidRequestError
        The text is no template: an unclosed tag, an unknown filter, or far too long.
    """

    def __init__(self, text: str, grant: Callable[[str], str], *, elements: str = CROWD_ELEMENTS) -> None:
        from liquid.exceptions import LiquidError

        if len(text) > LONGEST_TEMPLATE:
            raise InvalidRequestError(
                [f"the template has {len(text):,} characters; at most {LONGEST_TEMPLATE:,} are read"]
            )
        self._elements = elements
        try:
            self._template = _environment(grant).from_string(text)
        except LiquidError as error:
            raise _refusal(error) from error

    def render(self, task_input: Mapping[str, Any]) -> str:
        """Write the page of one task; what the template asks for and is not there is empty.

        Raises
        ------
        InvalidRequestError
            A filter is unknown or misused, or a limit is passed.
        """
        from liquid.exceptions import LiquidError

        values = json.loads(json.dumps(task_input))  # plain values only, whatever came
        try:
            page = self._template.render(task={"input": values})
        except (LiquidError, RecursionError) as error:
            raise _refusal(error) from error
        return page.replace(CROWD_ELEMENTS, self._elements)


def _environment(grant: Callable[[str], str]) -> Environment:
    from liquid import DictLoader, Environment

    class Bounded(Environment):
        """Liquid with limits."""

        loop_iteration_limit = MOST_ITERATIONS
        local_namespace_limit = MOST_OUTPUT
        output_stream_limit = MOST_OUTPUT

    environment = Bounded(autoescape=True, loader=DictLoader({}))
    environment.add_filter("to_json", _to_json)
    environment.add_filter("skip_autoescape", _skip_autoescape)
    environment.add_filter("grant_read_access", lambda uri: grant(str(uri)) if uri else "")
    environment.add_filter("s3_presign", lambda uri: grant(str(uri)) if uri else "")
    return environment


def _to_json(value: Any) -> str:
    """Write a value as JSON; text, so that it is escaped like any other."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:  # an undefined variable
        return "null"


def _skip_autoescape(value: Any) -> Any:
    """Let a text stand as HTML: pages of templates run where nothing else is within their reach."""
    from markupsafe import Markup

    return Markup("" if value is None else str(value))  # noqa: S704 - asked for by the template's author


def _refusal(error: BaseException) -> InvalidRequestError:
    what = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return InvalidRequestError([f"the template of UiTemplateS3Uri cannot be used: {what}"])
