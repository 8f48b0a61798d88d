// Tests of module StorageNode.
