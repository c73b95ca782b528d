"""The names that one object type goes by."""

from __future__ import annotations

from typing import Final

from aiohubassoc.files.id_rule import RejectedRowError
from aiohubassoc.files.limits import TYPE_CHARS, shown
from aiohubassoc.pair import MOST_TYPE, path_text

# Plural, singular and id. HubSpot, Using object APIs, "Object type ID".
STANDARD: Final = (
    ("contacts", "contact", "0-1"),
    ("companies", "company", "0-2"),
    ("deals", "deal", "0-3"),
    ("tickets", "ticket", "0-5"),
    ("products", "product", "0-7"),
    ("line_items", "line_item", "0-8"),
    ("quotes", "quote", "0-14"),
    ("communications", "communication", "0-18"),
    ("feedback_submissions", "feedback_submission", "0-19"),
    ("tasks", "task", "0-27"),
    ("notes", "note", "0-46"),
    ("meetings", "meeting", "0-47"),
    ("calls", "call", "0-48"),
    ("emails", "email", "0-49"),
    ("invoices", "invoice", "0-53"),
    ("marketing_events", "marketing_event", "0-54"),
    ("subscriptions", "subscription", "0-69"),
    ("goal_targets", "goal_target", "0-74"),
    ("discounts", "discount", "0-84"),
    ("fees", "fee", "0-85"),
    ("taxes", "tax", "0-86"),
    ("payments", "payment", "0-101"),
    ("users", "user", "0-115"),
    ("postal_mail", "postal_mail", "0-116"),
    ("orders", "order", "0-123"),
    ("leads", "lead", "0-136"),
    ("carts", "cart", "0-142"),
    ("services", "service", "0-162"),
    ("courses", "course", "0-410"),
    ("listings", "listing", "0-420"),
    ("appointments", "appointment", "0-421"),
    ("projects", "project", "0-970"),
)
_PLURALS: Final = {name: names[0] for names in STANDARD for name in names}
_MOST_NAMES: Final = 1000


def standard_type(name: str) -> str | None:
    """Return the plural of HubSpot's own object type that goes by *name*; None if none does."""
    return _PLURALS.get(name.strip().casefold().replace(" ", "_"))


class TypeNames:
    """
    Calls each object type by the name that it was first given.

    So ``contacts``, ``contact`` and ``0-1`` are one type in every pair, and a name is sent that
    the user has written.
    """

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def name(self, text: str, column: str) -> str:
        """
        Return the name for the type that *text* is; ``""`` if it is blank.

        Args:
            text: What is written.
            column: Where, as messages call it.

        Raises:
            RejectedRowError: It is none.
        """
        known = self._known.get(text)
        if known is not None:
            return known
        bare = text.strip()
        if not bare:
            return ""
        if len(bare) > TYPE_CHARS:
            raise RejectedRowError(f"{column} is {shown(bare)}, which is no object type")
        try:
            path_text(bare, column, MOST_TYPE)
        except ValueError as error:
            raise RejectedRowError(str(error)) from None
        standard = standard_type(bare)
        name = self._first.setdefault(standard, bare) if standard is not None else bare
        if len(self._known) < _MOST_NAMES:
            self._known[text] = name
        return name
