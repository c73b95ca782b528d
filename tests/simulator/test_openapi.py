"""The OpenAPI document of the simulator has its paths, methods and names: no more, no fewer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
import yaml

from aiohubassoc.simulator import PortalSettings
from aiohubassoc.simulator.error_bodies import rate_limited
from aiohubassoc.simulator.process import OWN_PATHS, respond_about
from aiohubassoc.simulator.records import ObjectTypes
from aiohubassoc.simulator.routing import AccountCall, BatchCall, ReadCall, parse_path
from aiohubassoc.simulator.settings import AccountCallName
from tests.simulator.portal_calls import decode, make_portal

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "simulator.openapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(PAGE.read_text(encoding="utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
METHODS = {"get", "put", "post", "patch", "delete"}
VALUES = {
    "version": "2026-09",
    "fromObjectType": "contacts",
    "fromObjectId": "1",
    "toObjectType": "companies",
    "toObjectId": "2",
}


def operations(*, of_portal: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the path, the method and the description of each."""
    for path, item in DOCUMENT["paths"].items():
        if path.startswith(OWN_PATHS) is of_portal:
            for method in METHODS & set(item):
                yield path, method.upper(), item[method]


def test_every_path_of_hubspot_is_one_of_the_simulator() -> None:
    """With its method; and the simulator has no call that is missing here."""
    named = set()
    for path, method, _ in operations(of_portal=False):
        call = parse_path(path.format(**VALUES))
        assert call is not None, path
        assert call.method == method, path
        dated = "{version}" in path
        named.add((call.kind, call.name) if isinstance(call, AccountCall) else (call.kind, dated))
    assert named == {
        *((kind, dated) for kind in ("put", "batch", "read") for dated in (False, True)),
        *(("account", name) for name in get_args(AccountCallName)),
    }


def test_every_path_of_the_portal_is_one_of_the_simulator() -> None:
    """With exactly its methods."""
    allowed: dict[str, set[str]] = {}
    for path, method, _ in operations(of_portal=True):
        allowed.setdefault(path, set()).add(method)
    for path, methods in allowed.items():
        wrong = respond_about(make_portal(), "DELETE", path, b"")
        assert wrong.status == 405
        assert wrong.headers["Allow"] == f"{','.join(sorted(methods))},OPTIONS"


def test_object_types() -> None:
    """Every name of every type."""
    types = ObjectTypes(PortalSettings().custom_types)
    names = {name for kind in types for name in (kind.name, kind.singular, kind.type_id)}
    assert set(SCHEMAS["ObjectType"]["enum"]) == names


@pytest.mark.parametrize(
    ("schema", "call"), [("PairInputs", BatchCall), ("RecordInputs", ReadCall)]
)
def test_most_inputs(schema: str, call: type[BatchCall | ReadCall]) -> None:
    """As the simulator counts them."""
    assert SCHEMAS[schema]["properties"]["inputs"]["maxItems"] == call.max_inputs


@pytest.mark.parametrize("schema", ["version", "accountVersion"])
def test_versions(schema: str) -> None:
    """The pattern and the simulator agree on what a version is."""
    pattern = DOCUMENT["components"]["parameters"][schema]["schema"]["pattern"]
    path = "/account-info/{}/details" if schema == "accountVersion" else "/crm/objects/{}/"
    rest = "" if schema == "accountVersion" else "contacts/1/associations/default/companies/2"
    for version in ("v3", "v4", "2026-09", "2026-13", "2027-03-beta", "2027-03-gamma", "26-09"):
        known = parse_path(path.format(version) + rest) is not None
        assert known is (re.search(pattern, version) is not None), version


def test_fields_of_the_ledger() -> None:
    """All of them."""
    assert set(SCHEMAS["Ledger"]["required"]) == set(make_portal().ledger.to_dict())


@pytest.mark.parametrize("policy", SCHEMAS["Error"]["properties"]["policyName"]["enum"])
def test_fields_of_an_error_without_a_category(policy: str) -> None:
    """A 429 has no field that the document lacks."""
    assert set(decode(rate_limited(policy))) <= set(SCHEMAS["Error"]["properties"])
