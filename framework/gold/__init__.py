"""Gold input: sources, validation, the view as of a day, quarantine, snapshots; the runtime of a run."""
