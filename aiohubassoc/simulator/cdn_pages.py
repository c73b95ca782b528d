"""What the edge in front of HubSpot answers by itself: HTML, plain text and problem JSON."""

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
    return _edge(status, _SHORT_PAGE.format(title=f"{status} {title}"), _CLOUDFLARE_HTML)


def long_page(status: int, title: str) -> PortalResponse:
    """Return Cloudflare's page in the site's name."""
    return _edge(status, _LONG_PAGE.format(status=status, title=title), _CLOUDFLARE_HTML)


def rate_limited() -> PortalResponse:
    """Return Cloudflare's own 429, which is plain text."""
    return _edge(429, "error code: 1015", "text/plain; charset=UTF-8")


def problem(retry_after: int) -> PortalResponse:
    """Return Cloudflare's problem JSON, whose ``status`` is an int where HubSpot's is a string."""
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
        by_hubspot=False,
        tells_limits=False,
    )


def not_found() -> PortalResponse:
    """Return the page of a path that HubSpot's router does not know."""
    return _edge(404, _ROUTER_PAGE.format(status=404, title="Not Found"), HTML)


def method_not_allowed(allowed: str) -> PortalResponse:
    """Return the page of a path that only another method reaches."""
    page = _ROUTER_PAGE.format(status=405, title="Method Not Allowed")
    return _edge(405, page, HTML, Allow=f"{allowed},OPTIONS")


def redirect() -> PortalResponse:
    """Return a redirect that stays on this portal, so that following it leads nowhere else."""
    return _edge(302, "", HTML, Location="/login")


def _edge(status: int, text: str, content_type: str, **headers: str) -> PortalResponse:
    return PortalResponse(
        status,
        text=text,
        content_type=content_type,
        headers=headers,
        by_hubspot=False,
        tells_limits=False,
    )
