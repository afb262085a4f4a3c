"""Evaluation: what each model, length and encoding finds in the user's own collection, and what it costs."""

from .collection import Collection, read_collection
from .run import EvaluationPlan, EvaluationReport, VariantResult, evaluate

__all__ = ["Collection", "EvaluationPlan", "EvaluationReport", "VariantResult", "evaluate", "read_collection"]
