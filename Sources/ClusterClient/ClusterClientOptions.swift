import Basics
import EventLoop
import Wire

/// Who this process is and where the metadata service listens.
public struct ClusterClientOptions: Sendable {
  /// 0: the metadata service gives one.
  public var nodeID: NodeID
  public var name: String
  public var role: NodeRole
  /// "host:port" as others reach this process; empty where it has no such listener.
  public var rpcAddress: String
  public var sqlAddress: String
  public var httpAddress: String
  public var metadataEndpoints: [Endpoint]
  /// The cluster this process belongs to; empty the first time.
  public var clusterID: String

  public init(
    nodeID: NodeID = NodeID(0), name: String, role: NodeRole, rpcAddress: String = "", sqlAddress: String = "",
    httpAddress: String = "", metadataEndpoints: [Endpoint], clusterID: String = ""
  ) {
    self.nodeID = nodeID
    self.name = name
    self.role = role
    self.rpcAddress = rpcAddress
    self.sqlAddress = sqlAddress
    self.httpAddress = httpAddress
    self.metadataEndpoints = metadataEndpoints
    self.clusterID = clusterID
  }
}
