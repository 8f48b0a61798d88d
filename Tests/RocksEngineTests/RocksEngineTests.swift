// Tests of module RocksEngine.
