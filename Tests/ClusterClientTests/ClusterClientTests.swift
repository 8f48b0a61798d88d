// Tests of module ClusterClient.
