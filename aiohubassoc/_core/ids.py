"""Record ids as HubSpot writes them."""

from __future__ import annotations


def canonical(record_id: str) -> str:
    """Return the id that HubSpot answers with: the number that it read, so 101 for 0101."""
    return record_id.lstrip("0") or "0" if record_id.isdigit() else record_id
