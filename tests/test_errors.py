"""The tree of errors."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

import aiohubassoc
from aiohubassoc import (
    Association,
    BulkLinkError,
    DefaultAssociations,
    ErrorDetail,
    Outcome,
    Pair,
    Status,
    errors,
)
from aiohubassoc._protocol.requests import BatchRequest
from aiohubassoc.errors import (
    AioHubAssocError,
    ApiError,
    DailyReserveError,
    MissingScopesError,
    PartialFailureError,
    PreviousFailureError,
    RefusedAlikeError,
    UnconfirmedError,
    install_command,
    plural,
)

API: dict[str, Any] = {
    "status": 400,
    "category": "C",
    "message": "m",
    "correlation_id": "c-1",
    "errors": (ErrorDetail("e"),),
    "context": {"id": ("1", "2")},
    "sub_category": "s",
}
REPLY = DefaultAssociations(results=(), status="COMPLETE", num_errors=2)
FAILURE = Outcome(3, Pair("a", 1, "b", 2), Status.FAILED, error=ApiError(409, None, "m", None))


ARGUMENTS: dict[type[AioHubAssocError], dict[str, Any]] = {
    PartialFailureError: {"reply": REPLY},
    UnconfirmedError: {"reply": REPLY},
    BulkLinkError: {"failures": (FAILURE,), "not_linked": 1, "total": 5},
    DailyReserveError: {"left": 40, "reserved": 50},
    PreviousFailureError: {"category": "GONE", "message": "reported", "correlation_id": "c-1"},
    RefusedAlikeError: {"count": 50, "error": ApiError(**API)},
}


def _arguments(cls: type[AioHubAssocError]) -> dict[str, Any]:
    if issubclass(cls, ApiError):
        return API
    names = inspect.signature(cls).parameters
    return ARGUMENTS.get(cls) or ({"message": "reported"} if "message" in names else {})


CLASSES = [
    cls
    for name, cls in vars(errors).items()
    if inspect.isclass(cls)
    and issubclass(cls, AioHubAssocError)
    and cls is not AioHubAssocError
    and not name.startswith("_")
]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_pickles_and_copies(cls: type[AioHubAssocError]) -> None:
    """The copy has the same class, fields, message and label."""
    error = cls(**_arguments(cls))
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 -- our own
        assert cls is type(other)
        assert vars(error).keys() == vars(other).keys()
        assert (str(error), error.label) == (str(other), other.label)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_says_what_happened(cls: type[AioHubAssocError]) -> None:
    """The message is a sentence, and the label is one upper-case word."""
    error = cls(**_arguments(cls))
    assert str(error)
    assert not str(error).startswith("(")
    assert error.label == error.label.upper()
    assert " " not in error.label


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_is_drawn_in_the_tree(cls: type[AioHubAssocError]) -> None:
    """The module's docstring shows the whole tree."""
    assert cls.__name__ in (errors.__doc__ or "")


def test_an_api_error_shows_its_context() -> None:
    """The message contains the rejected ids and the correlation id."""
    expected = "400 C: m [id: 1, 2] (correlation id c-1)"
    assert expected == str(ApiError(**API))


def test_missing_scopes_without_names() -> None:
    """HubSpot does not always name the scopes."""
    error = MissingScopesError(403, "MISSING_SCOPES", "m", None)
    assert ((), "403 MISSING_SCOPES: m") == (error.scopes, str(error))


def test_a_partial_failure_without_named_errors() -> None:
    """`numErrors` alone is reported too."""
    error = PartialFailureError(REPLY)
    assert "PARTIAL_FAILURE" == error.label
    assert "no error text (numErrors 2)" in str(error)


def test_unconfirmed_without_a_body() -> None:
    """The response had no body."""
    assert "without a body" in str(UnconfirmedError())


def test_unconfirmed_names_what_was_linked_instead() -> None:
    """This shows records that were merged into others; at most four results, with ids cut."""
    ways = (Association("999", "202"), Association("202", "999"))
    text = str(UnconfirmedError(DefaultAssociations(ways, "COMPLETE")))
    assert "(999 -> 202, 202 -> 999), none of which confirms this pair" in text
    many = tuple(Association("9" * 5000, str(n)) for n in range(2000))
    text = str(UnconfirmedError(DefaultAssociations(many, "COMPLETE")))
    assert "2000 results" in text
    assert f"{'9' * 64} -> 3, ...)" in text
    assert len(text) < 500


def test_refused_alike_shows_count_and_last_refusal() -> None:
    """The message contains the last refusal."""
    text = str(RefusedAlikeError(1500, ApiError(**API)))
    assert "1,500 pairs in a row" in text
    assert "400 C: m" in text


def test_a_bulk_error_shows_the_first_failure() -> None:
    """Without failures the message has only the counts."""
    assert "1 of 5 pairs is not linked; the first: a:1 -> b:2: failed: 409" in str(
        BulkLinkError((FAILURE,), 1, 5)
    )
    assert "1 of 5 pairs is not linked" == str(BulkLinkError((), 1, 5))


def test_errors_can_be_raised_from_and_noted() -> None:
    """They support causes and notes as other exceptions do."""
    error = AioHubAssocError()
    error.add_note("while testing")
    with pytest.raises(AioHubAssocError) as caught:
        raise error from ZeroDivisionError()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value is error


def test_one_of_something_is_said_as_one() -> None:
    """In each message with a count."""
    assert ["1 call", "2 calls", "1,200 calls", "0 calls"] == [
        plural(count, "call") for count in (1, 2, 1200, 0)
    ]
    assert "refused 1 pair in a row" in str(RefusedAlikeError(1, AioHubAssocError()))
    assert "1 call of the day left" in str(DailyReserveError(1, 10))
    request = BatchRequest(("contacts", "companies"), [Pair("contacts", 1, "companies", 2)])
    assert "1 pair from contacts to companies" == str(request)


def test_an_extra_can_be_installed_from_a_clone_too() -> None:
    """The package index may not have the package yet."""
    assert install_command("fleet") == (
        "pip install 'aiohubassoc[fleet]' (in a clone: pip install '.[fleet]')"
    )


def test_every_message_about_an_extra_says_both_ways() -> None:
    """No module writes the command itself."""
    package = Path(aiohubassoc.__file__).parent
    by_itself = [
        path.name
        for path in package.rglob("*.py")
        if re.search(r"(?<!``)pip install 'aiohubassoc", path.read_text(encoding="utf-8"))
    ]
    assert by_itself == ["errors.py"]
