"""What people and jobs call: command line, doctor, audit, bundle, report, scaffolder, promotion between catalogs."""
