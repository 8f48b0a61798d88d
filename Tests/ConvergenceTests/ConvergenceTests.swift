// Tests of module Convergence.
