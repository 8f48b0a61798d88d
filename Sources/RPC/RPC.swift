// Module RPC.
