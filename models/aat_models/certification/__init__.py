"""Certified robustness by interval bound propagation: proofs that no combination of substitutes changes an answer.

Every word of a text may be any of its substitutes, all words at once, without a cap on the edits (Jia et al. 2019,
"Certified Robustness to Adversarial Word Substitutions"; Huang et al. 2019, "Achieving Verified Robustness to Symbol
Substitutions via Interval Bound Propagation"). Intervals that hold every value a cell of the model can then take are
carried through the encoder; where the true class still leads at the worst end of them, no attack on that surface can
succeed. A certified accuracy is therefore at most the accuracy under any attack, under any cap.
"""

from __future__ import annotations

from aat_models.certification.encoders import bounds_of
from aat_models.certification.intervals import Interval
from aat_models.certification.margins import SLACK, certified_accuracy, text_margins, worst_logits
from aat_models.certification.words import surface_intervals

__all__ = [
    "SLACK",
    "Interval",
    "bounds_of",
    "certified_accuracy",
    "surface_intervals",
    "text_margins",
    "worst_logits",
]
