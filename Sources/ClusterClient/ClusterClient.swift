// Module ClusterClient.
