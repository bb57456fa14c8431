"""What the console keeps: bulk actions, and what it gave to its groups."""

from celeriac.console.actions.models import BulkAction as BulkAction, GroupGrant as GroupGrant
