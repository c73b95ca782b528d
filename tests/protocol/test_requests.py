"""The paths and bodies of calls."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from yarl import URL

from aiohubassoc import ApiVersion, Pair, PairError
from aiohubassoc._protocol.requests import (
    AccountRequest,
    BatchRequest,
    Endpoint,
    LookupRequest,
    account_details,
    association_limits,
    create_default,
    create_default_batch,
    daily_usage,
    read_links,
    token_info,
)


@pytest.mark.parametrize(
    ("version", "path"),
    [
        (ApiVersion.V4, "/crm/v4/objects/contacts/101/associations/default/companies/202"),
        (
            ApiVersion.V2026_03,
            "/crm/objects/2026-03/contacts/101/associations/default/companies/202",
        ),
        (
            ApiVersion.V2026_09,
            "/crm/objects/2026-09/contacts/101/associations/default/companies/202",
        ),
        (
            "2027-03-beta",
            "/crm/objects/2027-03-beta/contacts/101/associations/default/companies/202",
        ),
    ],
)
def test_each_version_has_its_path(version: str, path: str) -> None:
    """Create Default is a PUT at the path that HubSpot documents for the version."""
    pair = Pair("contacts", 101, "companies", 202)
    assert create_default(version, pair) == Endpoint("PUT", path)


@given(st.text(min_size=1), st.text(min_size=1), st.sampled_from(ApiVersion))
def test_no_id_or_type_can_change_the_path(record_id: str, kind: str, version: ApiVersion) -> None:
    """Whatever an id or type holds is one segment of the path, and comes back as it was."""
    try:
        pair = Pair(kind, record_id, kind, record_id)
    except PairError:
        return
    path = create_default(version, pair).path
    url = URL("https://api.hubapi.com").with_path(path, encoded=True)
    plain = create_default(version, Pair("t", "1", "t", "1")).path
    assert len(plain.split("/")) == len(path.split("/"))
    assert path == url.raw_path
    assert "" == url.query_string
    assert (record_id, kind) == (url.parts[-1], url.parts[-2])


@pytest.mark.parametrize(
    ("version", "start"),
    [
        (ApiVersion.V4, "/crm/v4/associations/contacts/companies/batch"),
        (ApiVersion.V2026_03, "/crm/associations/2026-03/contacts/companies/batch"),
        (ApiVersion.V2026_09, "/crm/associations/2026-09/contacts/companies/batch"),
        ("2027-03-beta", "/crm/associations/2027-03-beta/contacts/companies/batch"),
    ],
)
def test_each_version_has_its_batch_paths(version: str, start: str) -> None:
    """Linking and reading many are a POST each, with the body as it was given."""
    types, body = ("contacts", "companies"), b'{"inputs":[]}'
    linking = create_default_batch(version, types, body)
    assert Endpoint("POST", f"{start}/associate/default", body) == linking
    assert Endpoint("POST", f"{start}/read", body) == read_links(version, types, body)


@pytest.mark.parametrize(
    ("version", "dated"),
    [
        (ApiVersion.V4, "2026-03"),
        (ApiVersion.V2026_03, "2026-03"),
        (ApiVersion.V2026_09, "2026-09"),
        ("2027-03-beta", "2027-03-beta"),
    ],
)
def test_the_calls_about_the_account(version: str, dated: str) -> None:
    """HubSpot, Account information and Limits: they have dated versions only, never v4."""
    usage = f"/account-info/{dated}/api-usage/daily/private-apps"
    limits = f"/crm/limits/{dated}/associations/records/p1%2Fx/companies"
    assert Endpoint("GET", f"/account-info/{dated}/details") == account_details(version)
    assert Endpoint("GET", usage) == daily_usage(version)
    assert Endpoint("GET", limits) == association_limits(version, ("p1/x", "companies"))


def test_the_call_about_a_token() -> None:
    """HubSpot, Private apps: it is in the body of a POST, and is not shown."""
    path = "/oauth/v2/private-apps/get/access-token-info"
    endpoint = token_info(b'{"tokenKey": "secret"}')
    assert Endpoint("POST", path, b'{"tokenKey": "secret"}') == endpoint
    assert "secret" not in repr(endpoint)
    assert f"POST {path}" == str(AccountRequest(endpoint))
    assert ("", "") == AccountRequest(endpoint).types


@given(st.text(min_size=1), st.sampled_from(ApiVersion))
def test_no_type_can_change_the_batch_paths(kind: str, version: ApiVersion) -> None:
    """Whatever a type holds is one segment of the path, and comes back as it was."""
    try:
        Pair(kind, 1, kind, 1)
    except PairError:
        return
    for call in (create_default_batch, read_links):
        path = call(version, (kind, kind), b"").path
        url = URL("https://api.hubapi.com").with_path(path, encoded=True)
        plain = call(version, ("t", "t"), b"").path
        assert len(plain.split("/")) == len(path.split("/"))
        assert (path, "") == (url.raw_path, url.query_string)
        assert (kind, kind) == url.parts[4:6]


@pytest.mark.parametrize("text", ["a/b", "a?b", "a#b", "a%2Fb", "ä", "..a", "a;b", "a&b=c"])
def test_awkward_ids_are_encoded(text: str) -> None:
    """Slashes, question marks and percent signs in an id are encoded, once."""
    path = create_default(ApiVersion.V4, Pair("2-1", text, "contacts", 1)).path
    assert text == URL(path, encoded=True).parts[5]


def test_a_request_about_many_says_what_it_is() -> None:
    """In messages."""
    pair = Pair("contacts", 1, "companies", 2)
    types = ("contacts", "companies")
    assert str(BatchRequest(types, [pair] * 1200)) == "1,200 pairs from contacts to companies"
    lookup = LookupRequest(types, [("1", None), ("2", "after")])
    assert str(lookup) == "the links of 2 records from contacts to companies"
