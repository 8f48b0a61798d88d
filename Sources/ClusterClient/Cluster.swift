import Basics
import EventLoop

/// Everything a transaction needs of the cluster.
@EventLoopActor public final class Cluster {
  public let connection: MetadataConnection
  public let timestamps: TimestampClient
  public let ranges: RangeClient
  public let locks: LockResolver
  public let waits: WaitGraph

  public init(_ connection: MetadataConnection) {
    self.connection = connection
    timestamps = TimestampClient(connection)
    ranges = RangeClient(connection)
    locks = LockResolver(ranges)
    waits = WaitGraph(connection)
  }
}
