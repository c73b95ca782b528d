"""The responses of Cloudflare and of HubSpot's router: HTML, plain text and problem JSON."""

from __future__ import annotations

from aiohubassoc.simulator.responses import HTML, PortalResponse

_CLOUDFLARE_HTML = "text/html; charset=UTF-8"

_SHORT_PAGE = (
    "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
    "<center><h1>{title}</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
    "</body>\r\n</html>\r\n"
)
_LONG_PAGE = (
    '<!DOCTYPE html>\n<html class="no-js" lang="en-US">\n<head>\n'
    "<title>api.hubapi.com | {status}: {title}</title>\n</head>\n<body>\n"
    '<span class="code-label">Error code {status}</span>\n</body>\n</html>\n'
)
_ROUTER_PAGE = (
    '<html>\n<head>\n<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>\n'
    "<title>Error {status} {title}</title>\n</head>\n<body><h2>HTTP ERROR {status}</h2>\n"
    "<p>{title}</p>\n</body>\n</html>\n"
)


def short_page(status: int, title: str) -> PortalResponse:
    """Return Cloudflare's page of a few lines."""
    return _page(status, _SHORT_PAGE.format(title=f"{status} {title}"), _CLOUDFLARE_HTML)


def long_page(status: int, title: str) -> PortalResponse:
    """Return Cloudflare's page with the name of the site."""
    return _page(status, _LONG_PAGE.format(status=status, title=title), _CLOUDFLARE_HTML)


def rate_limited() -> PortalResponse:
    """Return Cloudflare's own 429, which is plain text."""
    return _page(429, "error code: 1015", "text/plain; charset=UTF-8")


def problem_json(retry_after: int) -> PortalResponse:
    """Return Cloudflare's problem JSON, whose ``status`` is an int where HubSpot has a string."""
    return PortalResponse(
        502,
        {
            "type": "https://developers.cloudflare.com/support/troubleshooting/"
            "http-status-codes/cloudflare-5xx-errors/error-502/",
            "title": "Error 502: Bad gateway",
            "status": 502,
            "error_code": 502,
            "error_name": "origin_bad_gateway",
            "error_category": "origin",
            "zone": "hubapi.com",
            "cloudflare_error": True,
            "retryable": True,
            "retry_after": retry_after,
        },
        content_type="application/json",
        headers={"Retry-After": str(retry_after)},
        from_hubspot=False,
        has_rate_headers=False,
    )


def not_found() -> PortalResponse:
    """Return the router's page for an unknown path."""
    return _page(404, _ROUTER_PAGE.format(status=404, title="Not Found"), HTML)


def method_not_allowed(allowed: str) -> PortalResponse:
    """Return the router's page for a path that has only another method."""
    page = _ROUTER_PAGE.format(status=405, title="Method Not Allowed")
    return _page(405, page, HTML, Allow=f"{allowed},OPTIONS")


def redirect() -> PortalResponse:
    """Return a redirect to another path of this portal: following it leads to no other host."""
    return _page(302, "", HTML, Location="/login")


def _page(status: int, text: str, content_type: str, **headers: str) -> PortalResponse:
    return PortalResponse(
        status,
        text=text,
        content_type=content_type,
        headers=headers,
        from_hubspot=False,
        has_rate_headers=False,
    )
