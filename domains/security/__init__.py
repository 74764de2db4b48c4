"""Security: who behaves unlike themselves or their peers, who takes data out, which grants will be undone."""
