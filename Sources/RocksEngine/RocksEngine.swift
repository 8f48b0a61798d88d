// Module RocksEngine.
