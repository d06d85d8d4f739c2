"""Scores of methods on tasks: their means, how sure these are, and how they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from samplemind.errors import CorpusError
from samplemind.evaluation.corpus import Row
from samplemind.evaluation.methods import Method
from samplemind.evaluation.tasks import TASKS

RESAMPLES: Final = 2000
INTERVAL: Final = (2.5, 97.5)
"""Percentiles between which 95 % of the resampled means lie."""


@dataclass(frozen=True)
class Scores:
    """Scores of one method on one task."""

    rows: int
    metrics: Mapping[str, tuple[float, ...]]
    """Score of each row that has it, 0 to 1, by metric."""

    def mean(self, metric: str) -> float:
        """Mean over the rows."""
        return float(np.mean(self.metrics[metric]))

    def interval(self, metric: str) -> tuple[float, float]:
        """Between what means the truth lies in 95 of 100 cases, if these rows stand for others like them.

        Percentiles of the means of rows drawn with replacement, with a fixed seed. Source: B. Efron, "Bootstrap
        methods: another look at the jackknife", Annals of Statistics 7(1), 1979.
        """
        values = np.array(self.metrics[metric])
        drawn = np.random.default_rng(0).integers(values.size, size=(RESAMPLES, values.size))
        low, high = np.percentile(values[drawn].mean(axis=1), INTERVAL)
        return float(low), float(high)


Report = Mapping[str, Mapping[str, Scores]]
"""Scores by task and method."""


def evaluate(rows: Sequence[Row], methods: Sequence[Method], *, tasks: Sequence[str] = ()) -> Report:
    """Ask all methods about all files, and score what they answer.

    A task that the corpus has no rows for, or a method no answers to, is left out.

    Args:
        rows: what is true.
        methods: who answers.
        tasks: names of `TASKS`; all by default.

    Raises:
        CorpusError: a task that there is not, or a label or an annotation that can't be read.
    """
    for name in tasks:
        if name not in TASKS:
            raise CorpusError(f"there is no task {name!r}: {', '.join(TASKS)}")
    of_task = {name: [row for row in rows if TASKS[name].has(row)] for name in tasks or TASKS}
    report: dict[str, dict[str, Scores]] = {name: {} for name, found in of_task.items() if found}
    for method in methods:
        asked: dict[str, set[str]] = {}
        for name in report:
            if TASKS[name].by_peers or not method.is_peer:
                for row in of_task[name]:
                    asked.setdefault(row.file, set()).add(name)
        answers = method.answers({path: frozenset(names) for path, names in asked.items()})
        for name, scores in report.items():
            task = TASKS[name]
            if method.is_peer and not task.by_peers:
                continue
            given = [answers[row.file] for row in of_task[name]]
            if not any(getattr(answer, field) is not None for answer in given for field in task.needs):
                continue
            try:
                scored = task.scored(of_task[name], given)
            except ValueError as error:
                raise CorpusError(f"a label of {name} can't be understood: {error}") from error
            names = dict.fromkeys(metric for row in scored for metric in row)
            metrics = {metric: tuple(row[metric] for row in scored if metric in row) for metric in names}
            scores[method.name] = Scores(len(scored), metrics)
    return {name: scores for name, scores in report.items() if scores}


def as_dict(report: Report) -> dict[str, dict[str, dict[str, Any]]]:
    """For programs: ``{task: {method: {"n": rows, metric: mean}}}``."""
    return {
        task: {
            method: {"n": scores.rows, **{metric: scores.mean(metric) for metric in scores.metrics}}
            for method, scores in methods.items()
        }
        for task, methods in report.items()
    }


def as_text(report: Report) -> str:
    """For people: a table per task, each mean with its interval."""
    width = max((len(method) for methods in report.values() for method in methods), default=0)
    lines = []
    for task, methods in report.items():
        names = list(dict.fromkeys(metric for scores in methods.values() for metric in scores.metrics))
        lines += [f"{task:<{width + 2}} {'n':>4}  " + "".join(f"{name:<20}" for name in names).rstrip()]
        for method, scores in methods.items():
            cells = "".join(f"{_cell(scores, name):<20}" for name in names)
            lines.append(f"  {method:<{width}} {scores.rows:>4}  {cells}".rstrip())
        lines.append("")
    return "\n".join(lines).rstrip()


def _cell(scores: Scores, metric: str) -> str:
    """A mean and its interval; a dash where the method has none."""
    if metric not in scores.metrics:
        return "–"
    low, high = scores.interval(metric)
    return f"{scores.mean(metric):.3f} ({low:.2f}–{high:.2f})"
