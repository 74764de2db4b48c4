"""What people and jobs call: command line, doctor, audit, bundle, report, promotion between catalogs."""
