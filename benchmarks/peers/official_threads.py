"""hubspot-api-client, HubSpot's own, which blocks: one thread for each call at once."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from hubspot import HubSpot
from hubspot.crm.associations.v4 import ApiException
from runner import FROM_TYPE, TO_TYPE, TOKEN, Job, serve
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry


def link(job: Job) -> int:
    """Let a pool of threads call the generated method."""
    # Its README, "Retry middleware".
    retry = None if sys.argv[1] == "default" else Retry(total=5, status_forcelist=(429,))
    client = HubSpot(
        access_token=TOKEN, retry=retry, host=job.base_url, connection_pool_maxsize=job.concurrency
    )
    api = client.crm.associations.v4.basic_api

    def put(number: int) -> bool:
        try:
            api.create_default(FROM_TYPE, str(number), TO_TYPE, str(number))
        except (ApiException, HTTPError):  # urllib3's own, when its retries are used up
            return False
        return True

    with ThreadPoolExecutor(job.concurrency) as pool:
        return sum(pool.map(put, job.ids))


if __name__ == "__main__":
    serve(link)
