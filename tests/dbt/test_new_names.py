"""A name that a record gets later reaches its customer, though nothing else of theirs has changed."""

import secrets
import shutil
from datetime import timedelta
from pathlib import Path

import parcels
import psycopg
from parcels import BuiltShop

from rapport.demo.shop import END
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import PROJECT, Settings

DESCRIPTIVE = ["first_name", "last_name", "country", "city", "postal_code", "time_zone", "language"]
LINES = """
contact;changed;first_name;last_name;job;company_number;company;born;language;email;phone;country;town;postcode;time_zone
{contact};{changed};Zuleika;Dobson;;;;;;{email};;;;;
"""


def test_a_contact_that_had_no_name_names_its_customer(
    built_shop: BuiltShop, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    database = f"names_{secrets.token_hex(6)}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {database} template {built_shop.url.rpartition('/')[2]}")  # type: ignore[arg-type]
    home = tmp_path / "home"
    shutil.copytree(built_shop.folder.parent / "home" / "dbt", home / "dbt")
    settings = Settings(home, PROJECT / "config", postgres.url(database), None, None)
    with psycopg.connect(settings.warehouse_url or "") as connection:
        contact, email, customer = connection.execute(
            """
            select record_id, email, customer_id from intermediate.int_descriptions_identified
            where stream = 'contacts' and email is not null order by record_id limit 1
            """
        ).fetchone() or ("", "", "")
        # As if all that the CRM has told of the contact had been its address, and nobody else had told more.
        nothing = ", ".join(f"{column} = null" for column in [*DESCRIPTIVE, "company_name"])
        connection.execute(f"update raw.contacts set {nothing} where contact_id = %s", [contact])  # type: ignore[arg-type]
        connection.execute(
            "delete from intermediate.int_descriptions_identified where record_id = %s", [contact]
        )
        connection.execute(
            "update intermediate.int_customer_profile set first_name = null where customer_id = %s",
            [customer],
        )
    (tmp_path / "parcel" / "contacts").mkdir(parents=True)
    changed = (END + timedelta(hours=1)).isoformat()
    (tmp_path / "parcel" / "contacts" / "later.csv").write_text(
        LINES.strip().format(contact=contact, changed=changed, email=email)
    )
    parcels.load(settings, tmp_path / "parcel")
    run = parcels.build(settings, END + timedelta(days=1))
    assert run.since is not None
    with psycopg.connect(settings.warehouse_url or "") as connection:
        named = connection.execute(
            "select first_name, last_name, name_source from marts.customers where customer_id = %s",
            [customer],
        ).fetchone()
    assert named == ("Zuleika", "Dobson", "crm")
