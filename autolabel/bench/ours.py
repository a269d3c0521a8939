"""Our own strategy: a job's decisions, replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.bench.labeling import Labeling
from autolabel.policy.replay import replay

if TYPE_CHECKING:
    from autolabel.bench.setting import Setting


def ours(setting: Setting) -> Labeling:
    """Active learning with the planner, one look, the contract of the setting's quality."""
    learner, terms = setting.sample.learner, setting.terms()
    if terms.tune_from is None:
        found = replay(learner, setting.people, terms, setting.rng, pool=setting.pool)
    else:
        with setting.sample.tuner() as tune:
            found = replay(learner, setting.people, terms, setting.rng, pool=setting.pool, tune=tune)
    humans = [np.asarray(each, np.int64) for each in (found.trained, found.audited, found.machine)]
    return Labeling(
        train=found.trained,
        check=found.audited,
        rest=setting.rest(*humans),
        machine=found.machine,
        machine_labels=found.machine_labels,
        forecasts=tuple((each.trained_on, each.assessment.expected.human_total) for each in found.rounds),
        rounds=len(found.rounds),
        note=found.outcome.reason,
    )
