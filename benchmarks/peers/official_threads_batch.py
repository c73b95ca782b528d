"""hubspot-api-client's blocking batch call: CPU, or the pairs identified after a 207."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from hubspot import HubSpot
from hubspot.crm.associations.v4 import (
    ApiException,
    BatchInputPublicDefaultAssociationMultiPost,
    PublicDefaultAssociationMultiPost,
    PublicObjectId,
)
from runner import FROM_TYPE, TO_TYPE, TOKEN, Job, identified, run_jobs, serve
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def _creating(job: Job) -> Callable[[Iterable[int]], Any]:
    client = HubSpot(access_token=TOKEN, host=job.base_url, connection_pool_maxsize=job.concurrency)
    api = client.crm.associations.v4.batch_api

    def create(numbers: Iterable[int]) -> Any:  # noqa: ANN401 -- it is in its own environment
        inputs = [
            PublicDefaultAssociationMultiPost(
                _from=PublicObjectId(id=str(number)), to=PublicObjectId(id=str(number))
            )
            for number in numbers
        ]
        batch = BatchInputPublicDefaultAssociationMultiPost(inputs=inputs)
        return api.create_default(FROM_TYPE, TO_TYPE, batch)

    return create


def link(job: Job) -> int:
    """Let a pool of threads call the generated method, and look at how many results came."""
    create = _creating(job)

    def post(numbers: range) -> int:
        try:
            reported = create(numbers)
        except (ApiException, HTTPError):
            return 0
        return 0 if reported is None else len(reported.results) // 2

    with ThreadPoolExecutor(job.concurrency) as pool:
        return sum(pool.map(post, job.batches))


def identify(job: Job) -> Mapping[str, Any]:
    """Look at all that the call returned or raised."""
    try:
        reported = _creating(job)(job.ids)
    except (ApiException, HTTPError) as error:
        return identified(job, f"raises {type(error).__name__}")
    if reported is None:
        return identified(job, "None")
    return identified(
        job,
        type(reported).__name__,
        # The model keeps what is "from" in JSON under another name.
        [(each._from.id, each.to.id) for each in reported.results],  # noqa: SLF001
        [each.context for each in reported.errors or ()],
    )


if __name__ == "__main__":
    if sys.argv[1] == "identify":
        run_jobs(identify)
    else:
        serve(link)
