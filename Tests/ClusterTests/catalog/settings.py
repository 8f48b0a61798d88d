"""Django's settings for `inspectdb`."""

import os

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql", "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"],
        "USER": "root", "NAME": "defaultdb",
    }
}
INSTALLED_APPS = []
SECRET_KEY = "none"
TIME_ZONE = "UTC"
