"""Object types, the names they go by, and the ids of their default associations."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc.simulator.seeded_random import SeededRandom


class ObjectType(NamedTuple):
    """
    One object type.

    Args:
        name: What the books call it: the plural, or the whole name of a custom type.
        singular: HubSpot's other name for it.
        type_id: HubSpot's number for it, such as ``0-1``.
        custom: Whether an account has made it.
    """

    name: str
    singular: str
    type_id: str
    custom: bool = False

    @property
    def label(self) -> str:
        """What HubSpot's error messages call it."""
        return self.singular if self.custom else self.singular.upper()


# HubSpot, Using object APIs, "Object type ID".
_HUBSPOTS_OWN = (
    ObjectType("appointments", "appointment", "0-421"),
    ObjectType("calls", "call", "0-48"),
    ObjectType("carts", "cart", "0-142"),
    ObjectType("communications", "communication", "0-18"),
    ObjectType("companies", "company", "0-2"),
    ObjectType("contacts", "contact", "0-1"),
    ObjectType("courses", "course", "0-410"),
    ObjectType("deals", "deal", "0-3"),
    ObjectType("discounts", "discount", "0-84"),
    ObjectType("emails", "email", "0-49"),
    ObjectType("feedback_submissions", "feedback_submission", "0-19"),
    ObjectType("fees", "fee", "0-85"),
    ObjectType("goal_targets", "goal_target", "0-74"),
    ObjectType("invoices", "invoice", "0-53"),
    ObjectType("leads", "lead", "0-136"),
    ObjectType("line_items", "line_item", "0-8"),
    ObjectType("listings", "listing", "0-420"),
    ObjectType("marketing_events", "marketing_event", "0-54"),
    ObjectType("meetings", "meeting", "0-47"),
    ObjectType("notes", "note", "0-46"),
    ObjectType("orders", "order", "0-123"),
    ObjectType("payments", "payment", "0-101"),
    ObjectType("postal_mail", "postal_mail", "0-116"),
    ObjectType("products", "product", "0-7"),
    ObjectType("projects", "project", "0-970"),
    ObjectType("quotes", "quote", "0-14"),
    ObjectType("services", "service", "0-162"),
    ObjectType("subscriptions", "subscription", "0-69"),
    ObjectType("tasks", "task", "0-27"),
    ObjectType("taxes", "tax", "0-86"),
    ObjectType("tickets", "ticket", "0-5"),
    ObjectType("users", "user", "0-115"),
)

# HubSpot, Associations v4, "Association type ID values": the unlabelled ones, each way. Fees and
# quotes: HubSpot, Fees guide. Line items: HubSpot, Line items guide.
_ASSOCIATION_TYPE_IDS = {
    ("contacts", "contacts"): 449,
    ("contacts", "companies"): 279,
    ("companies", "contacts"): 280,
    ("companies", "companies"): 450,
    ("deals", "contacts"): 3,
    ("contacts", "deals"): 4,
    ("deals", "companies"): 341,
    ("companies", "deals"): 342,
    ("deals", "deals"): 451,
    ("contacts", "tickets"): 15,
    ("tickets", "contacts"): 16,
    ("tickets", "companies"): 339,
    ("companies", "tickets"): 340,
    ("deals", "tickets"): 27,
    ("tickets", "deals"): 28,
    ("deals", "line_items"): 19,
    ("line_items", "deals"): 20,
    ("fees", "quotes"): 363,
    ("quotes", "fees"): 364,
    ("contacts", "notes"): 201,
    ("notes", "contacts"): 202,
    ("companies", "notes"): 189,
    ("notes", "companies"): 190,
    ("deals", "notes"): 213,
    ("notes", "deals"): 214,
    ("contacts", "tasks"): 203,
    ("tasks", "contacts"): 204,
    ("companies", "tasks"): 191,
    ("tasks", "companies"): 192,
    ("deals", "tasks"): 215,
    ("tasks", "deals"): 216,
}

# Where the seeded ids of all other pairs of types begin, above every published one.
_FIRST_SEEDED_ID = 10_000
_SEEDED_IDS = 90_000


class ObjectTypes:
    """
    The object types of one portal, found by any of their names in any case.

    Args:
        custom: The account's own types, each known by the one name it is given here.
    """

    def __init__(self, custom: Iterable[str] = ()) -> None:
        types = [*_HUBSPOTS_OWN, *(ObjectType(name, name, name, custom=True) for name in custom)]
        self._by_name = {
            name: kind for kind in types for name in (kind.name, kind.singular, kind.type_id)
        }

    def find(self, written: str) -> ObjectType | None:
        """Return the type that *written* names, None for an unknown one."""
        return self._by_name.get(written) or self._by_name.get(written.lower())

    def canonical(self, written: str) -> str:
        """Return what the books call the type; an unknown one stays as it was written."""
        kind = self.find(written)
        return kind.name if kind else written


def association_type(
    from_type: ObjectType, to_type: ObjectType, chance: SeededRandom
) -> tuple[str, int]:
    """Return the category and the id of the default association in this direction."""
    category = "USER_DEFINED" if from_type.custom or to_type.custom else "HUBSPOT_DEFINED"
    published = _ASSOCIATION_TYPE_IDS.get((from_type.name, to_type.name))
    if published is not None:
        return category, published
    return category, seeded_type_id(from_type, to_type, chance)


def seeded_type_id(
    from_type: ObjectType, to_type: ObjectType, chance: SeededRandom, label: str = ""
) -> int:
    """Return the id of an association type that HubSpot publishes none for, in this direction."""
    key = f"{from_type.name}|{to_type.name}{label and f'|{label}'}"
    share = chance.share("association type", key)
    return _FIRST_SEEDED_ID + int(share * _SEEDED_IDS)
