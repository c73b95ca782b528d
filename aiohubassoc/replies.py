"""
HubSpot's replies as models.

The fields are those of HubSpot, Associations v4, "Create Default" (read 2026-11-28), in snake_case.
A field that HubSpot may omit is None or empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs


@attrs.frozen
class AssociationSpec:
    """
    The type of an association. Links of the same type may share one object.

    Attributes:
        association_category: ``HUBSPOT_DEFINED``, ``USER_DEFINED``, ``INTEGRATOR_DEFINED``,
            ``WORK``, or a newer value.
        association_type_id: Such as 279 for contact to company.
    """

    association_category: str | None = None
    association_type_id: int | None = None


@attrs.define
class Association:
    """One direction of a link that HubSpot made. A success usually has two, in any order."""

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
        message: HubSpot's message.
        status: Usually ``"error"``.
        context: Names to lists of values, often the ids that caused the error.
        errors: Details.
        links: Names to URLs.
        id: HubSpot's id of the error, if any.
        sub_category: As text: a string in recorded responses, an object in HubSpot's documentation.
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
        status: ``PENDING``, ``PROCESSING``, ``CANCELED``, ``COMPLETE``, or a newer value.
        results: The directions that were linked, in HubSpot's order.
        errors: The errors inside the 2xx response.
        num_errors: HubSpot's count of errors, which counts records, not pairs. None if absent.
        started_at: When HubSpot started; timezone-aware. None if absent or not a date.
        completed_at: When it completed; timezone-aware, or None.
        requested_at: When it received the request; timezone-aware, or None.
        links: Names to URLs.
    """

    results: tuple[Association, ...]
    status: str | None = None
    errors: tuple[StandardError, ...] = ()
    num_errors: int | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    requested_at: datetime | None = None
    links: Mapping[str, str] = attrs.Factory(dict)
