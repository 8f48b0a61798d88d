// Tests of module Raft.
