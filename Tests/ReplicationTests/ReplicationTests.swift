// Tests of module Replication.
