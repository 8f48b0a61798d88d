// Module KeyValue.
