"""Makes a laptop's administrator from ADMIN_EMAIL and ADMIN_PASSWORD, or resets the password."""

import os

import django


def main() -> None:
    """Make the administrator, or give the present one the password."""
    django.setup()
    from django.contrib.auth import get_user_model  # models load after setup

    email, password = os.environ["ADMIN_EMAIL"], os.environ["ADMIN_PASSWORD"]
    users = get_user_model().objects
    user = users.filter(email=email).first()
    if user is None:
        users.create_superuser(email=email, password=password)
    elif not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])


if __name__ == "__main__":
    main()
