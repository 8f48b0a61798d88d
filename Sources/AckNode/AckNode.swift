// Module AckNode.
