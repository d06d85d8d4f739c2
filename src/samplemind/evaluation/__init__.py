"""How often answers are right: labelled audio, the field's own metrics, and other libraries beside us.

labels.csv ─▶ rows (corpus) ─┐
                             ├─▶ scores per row (tasks) ─▶ means and their intervals (report)
files ─▶ answers (methods) ──┘
"""

from samplemind.evaluation.answers import Answer
from samplemind.evaluation.corpus import Row, read_corpus
from samplemind.evaluation.methods import PEERS, Method, of_samplemind, peer
from samplemind.evaluation.report import Scores, as_dict, as_text, evaluate
from samplemind.evaluation.tasks import TASKS

__all__ = [
    "PEERS",
    "TASKS",
    "Answer",
    "Method",
    "Row",
    "Scores",
    "as_dict",
    "as_text",
    "evaluate",
    "of_samplemind",
    "peer",
    "read_corpus",
]
