"""Loads what `usher export` writes from standard input into the peer's database."""

import json
import sys
from datetime import datetime

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402  # only after the setup
from django.core.management import call_command  # noqa: E402

# What Django keeps as it is; the export has more.
FIELDS = ("id", "pk", "username", "first_name", "last_name", "email", "is_active", "is_staff", "is_superuser")


def user(record):
    """The same user; Django writes the name of the algorithm before the hash."""
    dates = {name: record[name] and datetime.fromisoformat(record[name]) for name in ("last_login", "date_joined")}
    password = record["password"]
    password = "argon2" + password if password.startswith("$") else password
    return User(**{name: record[name] for name in FIELDS if name in record}, **dates, password=password)


def main():
    call_command("migrate", verbosity=0)
    users = [user(record) for record in json.load(sys.stdin)]
    User.objects.bulk_create(users, batch_size=500)
    if User.objects.db == "default" and django.db.connection.vendor == "postgresql":
        with django.db.connection.cursor() as cursor:
            cursor.execute("SELECT setval('auth_user_id_seq', (SELECT max(id) FROM auth_user))")
            cursor.execute("ANALYZE auth_user")


main()
