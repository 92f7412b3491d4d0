"""Password hashes of the same cost as Usher's."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class SameCost(Argon2PasswordHasher):
    """argon2id with 19 MiB, two passes and one lane."""

    memory_cost = 19456
    time_cost = 2
    parallelism = 1
