// Tests of module GatewayNode.
