"""What can be attacked, probed and generated from, by the name a user gives.

::

    RUN, RUN@latest, RUN@step-1200, a folder     a trained model; RUN alone is its best checkpoint
    py:module:function                           your own function: list[str] → (N, C) probabilities
    http://…, https://…                          an endpoint, see http_victim.py
    hf:PATH_OR_ID                                a Hugging Face classifier; needs the extra hf
    hf:PATH                                      a folder of one that writes text; a LLaMA needs no extra
    builtin:tiny                                 the shipped deterministic victim

``base`` has what can be asked of each, a module beside it one kind, ``opening`` finds which it is. Heavy imports happen where a
target is opened.
"""

from __future__ import annotations

from aat_workbench.targets.base import Target
from aat_workbench.targets.opening import identify, open_target

__all__ = ["Target", "identify", "open_target"]
