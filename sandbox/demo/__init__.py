"""`make demo`: orders are paid and receipts mailed, once each, while everything goes wrong."""
