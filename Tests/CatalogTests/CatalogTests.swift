// Tests of module Catalog.
