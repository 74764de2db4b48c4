"""Trainers of three kinds, labels, splits, leakage probe, baselines, evaluation, tracking."""

from framework.training.anomaly import WORTH_AN_ALERT, AnomalyTrainer
from framework.training.base import ModelTrainer
from framework.training.classification import ClassificationTrainer
from framework.training.regression import RegressionTrainer

__all__ = ["WORTH_AN_ALERT", "AnomalyTrainer", "ClassificationTrainer", "ModelTrainer", "RegressionTrainer"]
