// Tests of module AckNode.
