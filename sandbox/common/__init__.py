"""What the sandbox's stand-ins share: a loopback HTTP server, options, chance and a journal."""
