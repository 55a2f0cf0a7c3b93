"""What panes tell each other. A pane posts one of these; the app shows the pane it is for and hands it over there."""

from __future__ import annotations

from textual.message import Message

__all__ = ["AttackTarget", "GenerateFrom", "PaneMessage", "ProbeText", "RunSelected", "TrainOn"]


class PaneMessage(Message):
    """A message the app routes to the pane named by ``pane``."""

    pane = ""


class ProbeText(PaneMessage):
    """Open Adversarial with ``text`` in its probe; with ``attack``, look for an edit that breaks the model on it."""

    pane = "adversarial"

    def __init__(self, text: str, *, attack: bool = False) -> None:
        super().__init__()
        self.text = text
        self.attack = attack


class AttackTarget(PaneMessage):
    """Open Adversarial on ``target``: a run's name, or any target the command line takes."""

    pane = "adversarial"

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target = target


class GenerateFrom(PaneMessage):
    """Open Generate with ``target`` as model A and ``prompt`` as the prompt."""

    pane = "generate"

    def __init__(self, target: str, prompt: str = "") -> None:
        super().__init__()
        self.target = target
        self.prompt = prompt


class TrainOn(PaneMessage):
    """Open Training's form for a new run on ``dataset``."""

    pane = "training"

    def __init__(self, dataset: str) -> None:
        super().__init__()
        self.dataset = dataset


class RunSelected(Message):
    """The run under the cursor in Training changed; the app keeps it as ``app.selected_run``."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run
