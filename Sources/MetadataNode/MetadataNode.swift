// Module MetadataNode.
