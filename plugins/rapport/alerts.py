"""Telling people that something needs them: a log line, and a webhook where one is configured."""

import json
import logging
from collections.abc import Mapping, Sequence
from urllib.error import URLError
from urllib.request import Request, urlopen

logger = logging.getLogger(__name__)


def task_failed(dag_id: str, task_id: str, run_id: str, webhook: str | None) -> None:
    """Log the failure and post it to the webhook as JSON {text, dag, task, run}.

    Carries names only: messages of errors stay in the ledger, where roles guard them.
    """
    text = f"{dag_id}.{task_id} failed ({run_id}); see `rapport status`"
    logger.error(text)
    _post({"text": text, "dag": dag_id, "task": task_id, "run": run_id}, webhook)


def alarm(sentences: Sequence[str], webhook: str | None) -> None:
    """Log what a person has to look at, and post it to the webhook as JSON {text}, in one message.

    The sentences hold no personal data.
    """
    for sentence in sentences:
        logger.error("%s", sentence)
    if sentences:
        _post({"text": "\n".join(sentences)}, webhook)


def _post(content: Mapping[str, str], webhook: str | None) -> None:
    if webhook is None:
        return
    body = json.dumps(content).encode()
    request = Request(webhook, data=body, headers={"Content-Type": "application/json"}, method="POST")
    try:
        with urlopen(request, timeout=10):
            pass
    except (URLError, OSError, ValueError) as error:
        logger.error("the alert webhook did not take the message: %s", type(error).__name__)
