"""A tenant's rows."""

from django.db import models


class Book(models.Model):
    """A book, which says by which job it was written."""

    title = models.TextField()

    def __str__(self):
        return self.title
