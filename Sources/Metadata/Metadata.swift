// Module Metadata.
