// Tests of module Transactions.
