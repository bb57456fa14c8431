"""`make screenshots`: pictures of the admin's pages, over a made-up week."""
