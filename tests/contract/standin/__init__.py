"""A stand-in for a workspace: what the real client and our adapter ask of one, answered on this machine.

Tables are real Delta tables, written by delta-rs. The endpoints are served on loopback. The client is the
unmodified one; only its private Spark layer is replaced, because open-source Spark has neither Delta's jar nor
Unity Catalog's statements.
"""

LENIENT = (
    "grants: nobody is refused anything",
    "feature_spec.yaml is generated as the client's older versions did it; the service's own was never compared",
    "tags: neither the characters of keys nor the number of tags is limited (values longer than 1,000 characters are)",
    "one writer at a time: no commit ever conflicts",
    "CLUSTER BY, OPTIMIZE and change data feed are recorded and have no effect",
    "the model registry is MLflow's own on SQLite: no signature is demanded, no file is uploaded",
)
"""Where a workspace would be stricter; the suite prints this at its end."""
