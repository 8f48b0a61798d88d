// Module StorageNode.
