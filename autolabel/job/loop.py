"""The whole job, in one visible loop. Every line of it is a stored step: walking it again changes nothing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from autolabel.job.finish import finish, publish_batch
from autolabel.job.gold import ask_gold
from autolabel.job.look import look, machine_labels_of
from autolabel.job.people import ask
from autolabel.job.repeats import repeat_some
from autolabel.job.rest import label_rest
from autolabel.job.rounds import (
    check_probe,
    choose_first,
    choose_informative,
    choose_probe,
    learn,
    round_name,
)
from autolabel.job.start import embed, start
from autolabel.job.tuning import tune
from autolabel.quality.prospect import Decision
from autolabel.report.data import Purpose

if TYPE_CHECKING:
    from autolabel.job.run import Run


def label_dataset(run: Run) -> None:
    """Walk the job to its end, or to where people must answer (`WaitingForPeople`).

    index -> embed -> probe -> gold -> rounds of (select, people, train, score, plan, or train the network) -> look
    (freeze, audit, certify, machine-label) -> people take the rest -> second panels -> model, certificate, output.
    """
    start(run)
    if run.request.automated:
        embed(run)

    probe = ask(run, "probe", Purpose.TRAIN, lambda: choose_probe(run))
    check_probe(run, probe)

    ask_gold(run)

    found = None
    if run.request.automated:
        ask(run, "first", Purpose.TRAIN, lambda: choose_first(run))
        publish_batch(run)
        last = learn(run, 1)
        while last.tune or last.decision is Decision.BUY:
            if last.tune:
                tune(run, last)
            else:
                ask(run, round_name(last.number), Purpose.TRAIN, partial(choose_informative, run, last))
                publish_batch(run)
            last = learn(run, last.number + 1)
        found = look(run, last)

    label_rest(run, machine_labels_of(found))
    repeat_some(run, found)
    finish(run, found)
