// Tests of module MetadataNode.
