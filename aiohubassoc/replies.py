"""
What HubSpot replies.

The fields are those of HubSpot, Associations v4, "Create Default" (read 2026-11-28), in snake_case.
What HubSpot may leave out is None or empty here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs


@attrs.frozen
class AssociationSpec:
    """
    Which association was made. Links of the same kind may share one.

    Attributes:
        association_category: ``HUBSPOT_DEFINED``, ``USER_DEFINED``, ``INTEGRATOR_DEFINED``,
            ``WORK``, or a value that came later.
        association_type_id: Such as 279 for contact to company.
    """

    association_category: str | None = None
    association_type_id: int | None = None


@attrs.define
class Association:
    """One direction of a link that HubSpot made. A usual success has two, in no fixed order."""

    from_id: str
    to_id: str
    association_spec: AssociationSpec = attrs.Factory(AssociationSpec)


@attrs.define
class ErrorDetail:
    """One detail of an error."""

    message: str | None = None
    sub_category: str | None = None
    code: str | None = None
    in_: str | None = None
    context: Mapping[str, tuple[str, ...]] = attrs.Factory(dict)


@attrs.define
class StandardError:
    """
    One error inside a 2xx response.

    Attributes:
        category: Such as ``"OBJECT_NOT_FOUND"``.
        message: For people.
        status: HubSpot's word, mostly ``"error"``.
        context: Names to lists of values, often the ids that caused the error.
        errors: Details.
        links: Names to addresses.
        id: Where HubSpot gives one.
        sub_category: As text: a string in real traffic, an object in HubSpot's description.
    """

    category: str | None = None
    message: str | None = None
    status: str | None = None
    context: Mapping[str, tuple[str, ...]] = attrs.Factory(dict)
    errors: tuple[ErrorDetail, ...] = ()
    links: Mapping[str, str] = attrs.Factory(dict)
    id: str | None = None
    sub_category: str | None = None


@attrs.define
class DefaultAssociations:
    """
    HubSpot's reply to Create Default.

    Attributes:
        status: ``PENDING``, ``PROCESSING``, ``CANCELED``, ``COMPLETE``, or a value that came later.
        results: The directions that were linked, in HubSpot's order.
        errors: What went wrong, though the response was 2xx.
        num_errors: HubSpot's count of errors: it counts ends, not pairs. None when absent.
        started_at: When HubSpot began; aware. None when absent or not a date.
        completed_at: When it ended; aware, or None.
        requested_at: When it was asked; aware, or None.
        links: Names to addresses.
    """

    results: tuple[Association, ...]
    status: str | None = None
    errors: tuple[StandardError, ...] = ()
    num_errors: int | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    requested_at: datetime | None = None
    links: Mapping[str, str] = attrs.Factory(dict)
