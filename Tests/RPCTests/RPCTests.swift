// Tests of module RPC.
