// Module Replication.
