"""An Airflow DAG that links the pairs of a nightly export. A retry resumes the run."""

import subprocess
from datetime import datetime, timedelta

from airflow.exceptions import AirflowFailException
from airflow.sdk import dag, task

_RETRIED = {3, 75, 129, 130, 143}  # stopped early, run folder in use, SIGHUP, SIGINT, SIGTERM


@dag(
    schedule="15 2 * * *",
    start_date=datetime(2026, 11, 1),
    catchup=False,
    default_args={"retries": 6, "retry_delay": timedelta(minutes=15)},
)
def hubspot_links():
    @task
    def link(ds=None):
        """Link the pairs of one date. A retry sends only pairs without an outcome."""
        done = subprocess.run(
            [
                *("aiohubassoc", "link", f"/srv/export/{ds}.csv"),
                *("--from", "contacts", "--to", "companies"),
                *("--run", f"/var/lib/sync/{ds}", "--skip-linked", "--require-rows", "--json"),
                *("--token-file", "/run/secrets/hubspot"),
            ],
            stdout=subprocess.PIPE,  # standard error goes to the task log
            text=True,
        )
        print(done.stdout)
        if done.returncode in _RETRIED:
            raise RuntimeError(f"not complete yet: exit code {done.returncode}")
        if done.returncode:
            raise AirflowFailException(f"needs a person: exit code {done.returncode}")
        return done.stdout

    link()


hubspot_links()
