"""Settings, plugins, results, ports, and the services of a run."""
