"""Models: gradient-boosted trees, the plainer rivals that stand beside them, and what makes a margin a risk.

A model gives a margin (log-odds, it ranks); a calibrator, fitted on rows that the model had not learned
from, makes a risk of it. `training.train` is the door; LightGBM is imported in `gbm` and nowhere else.
"""
