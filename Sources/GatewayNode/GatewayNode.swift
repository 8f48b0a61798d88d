// Module GatewayNode.
