"""Other queues, each behind the same interface as the bench's two sides.

Their packages lie in `.local/peers`, where `make peers` puts them: first on the path of their rows.
"""
