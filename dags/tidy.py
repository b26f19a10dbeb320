"""Remove what is older than config/landing.yml lets it be: kept files, rejected rows, old months of visits.

Each night. Nothing waits for it, and it may be killed at any moment: the next night does the rest.
"""

from airflow.sdk import dag

from wiring import DEFAULTS, as_of, conf, step

DAG_ID = "tidy"


@dag(schedule="30 3 * * *", tags=["maintenance"], doc_md=__doc__, **DEFAULTS)
def tidy() -> None:
    @step
    def remove_what_is_old() -> None:
        from rapport import steps

        steps.tidy(DAG_ID, conf().get("run_id"), as_of())

    remove_what_is_old()


tidy()
