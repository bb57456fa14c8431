"""`make screenshots`: pictures of the control room's pages, over a made-up week."""
