/// How many processes of each role a simulated cluster has, and with which flags beyond the necessary ones.
public struct ClusterShape: Sendable {
  public var metadataCount = 3
  public var storageCount = 3
  public var gatewayCount = 2
  public var aggregatorCount = 1
  /// For example `.metadata: ["--session-lease", "2s"]`.
  public var flags: [ClusterRole: [String]] = [:]

  public init() {}

  func count(_ role: ClusterRole) -> Int {
    switch role {
    case .metadata: metadataCount
    case .storage: storageCount
    case .gateway: gatewayCount
    case .aggregator: aggregatorCount
    }
  }
}

/// The programs of a cluster, in the order in which their hosts are made.
public enum ClusterRole: String, Sendable, CaseIterable {
  case metadata = "meta"
  case storage
  case gateway
  case aggregator = "ack"

  /// Node ids of a role are this plus 1, 2, 3…
  var firstNodeID: Int {
    switch self {
    case .metadata: 0
    case .storage: 100
    case .gateway: 200
    case .aggregator: 300
    }
  }
}
