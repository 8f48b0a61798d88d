// Tests of module Metadata.
