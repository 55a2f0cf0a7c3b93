"""Errors that another process told."""

from __future__ import annotations

from aat_datasets import errors


def test_an_error_is_what_its_name_says_it_is() -> None:
    made = errors.named("RejectsError", "3 of 4 lines rejected", "look at them")
    assert type(made) is errors.RejectsError and isinstance(made, errors.DataError)
    assert (made.message, made.hint, str(made)) == (
        "3 of 4 lines rejected",
        "look at them",
        "3 of 4 lines rejected (look at them)",
    )
    assert str(errors.named("UnknownNameError", "no run named 'x'")) == "no run named 'x'"


def test_a_name_that_is_no_error_of_the_tree_is_the_engines() -> None:
    for kind in ("KeyError", "named", "Any", ""):
        assert type(errors.named(kind, "gone")) is errors.EngineError
