import Basics
import Catalog
import SchemaChange

/// What goes through the metadata group's Raft log. The leader decides everything (ids, timestamps, times), so that applying
/// is the same on every replica.
public enum MetadataCommand: Hashable, Sendable {
  /// Names the cluster; only the first counts.
  case initialize(clusterID: String)
  /// No timestamp above it is issued before a larger bound is applied.
  case reserveTimestamps(bound: Timestamp)
  /// A new session of a new or known node; the record carries its epoch.
  case register(NodeRecord)
  case endSession(NodeID, SessionEpoch)
  /// A step of a schema change.
  case change(SchemaStep)
}

/// An entry and the job that it belongs to: in one command, so that neither is ever without the other.
public struct SchemaStep: Hashable, Sendable {
  public var entry: SchemaEntry?
  public var job: JobRecord?
  /// Their data goes after the retention time.
  public var retiredRanges: [RangeID]
  /// Retired by an earlier job; they are used again.
  public var restoredRanges: [RangeID] = []
  /// Of a job that begins.
  public var wayBack: WayBack?
  /// What they dropped is gone for good.
  public var forgottenWaysBack: [JobID] = []
  /// Allocators after this step.
  public var nextTableID: TableID
  public var nextRangeID: RangeID
  /// Of the leader's clock, for retention.
  public var wallMilliseconds: UInt64

  public init(
    entry: SchemaEntry? = nil, job: JobRecord? = nil, retiredRanges: [RangeID] = [], nextTableID: TableID,
    nextRangeID: RangeID, wallMilliseconds: UInt64
  ) {
    self.entry = entry
    self.job = job
    self.retiredRanges = retiredRanges
    self.nextTableID = nextTableID
    self.nextRangeID = nextRangeID
    self.wallMilliseconds = wallMilliseconds
  }
}

extension MetadataCommand {
  public func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: 256)
    switch self {
    case .initialize(let clusterID): writer.field(1, clusterID)
    case .reserveTimestamps(let bound): writer.field(2, bound)
    case .register(let node): writer.field(3) { node.encode(into: &$0) }
    case .endSession(let node, let epoch):
      writer.field(4) {
        $0.field(1, node)
        $0.field(2, epoch)
      }
    case .change(let step): writer.field(5) { step.encode(into: &$0) }
    }
    return writer.bytes
  }

  /// Throws for bytes that no release so far has written; a command of a later release is refused, not skipped.
  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    guard let field = try reader.nextField() else { throw reader.failure("empty command") }
    switch field.number {
    case 1: self = .initialize(clusterID: try field.string())
    case 2: self = .reserveTimestamps(bound: try field.timestamp())
    case 3: self = .register(try NodeRecord(decoding: try field.slice()))
    case 4:
      var nested = try field.reader()
      var node = NodeID(0)
      var epoch = SessionEpoch(0)
      while let part = try nested.nextField() {
        switch part.number {
        case 1: node = try part.identifier()
        case 2: epoch = try part.identifier()
        default: break
        }
      }
      self = .endSession(node, epoch)
    case 5: self = .change(try SchemaStep(decoding: try field.slice()))
    default: throw reader.failure("unknown command \(field.number)")
    }
  }
}

extension SchemaStep {
  func encode(into writer: inout ByteWriter) {
    if let entry { writer.field(1) { entry.encode(into: &$0) } }
    if let job { writer.field(2) { job.encode(into: &$0) } }
    for range in retiredRanges { writer.field(3, range) }
    writer.field(4, nextTableID)
    writer.field(5, nextRangeID)
    writer.field(6, wallMilliseconds)
    for range in restoredRanges { writer.field(7, range) }
    if let wayBack { writer.field(8) { wayBack.encode(into: &$0) } }
    for job in forgottenWaysBack { writer.field(9, job) }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(nextTableID: TableID(0), nextRangeID: RangeID(0), wallMilliseconds: 0)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: entry = try SchemaEntry(decoding: try field.slice())
      case 2: job = try JobRecord(decoding: try field.slice())
      case 3: retiredRanges.append(try field.identifier())
      case 4: nextTableID = try field.identifier()
      case 5: nextRangeID = try field.identifier()
      case 6: wallMilliseconds = try field.integer()
      case 7: restoredRanges.append(try field.identifier())
      case 8: wayBack = try WayBack(decoding: try field.slice())
      case 9: forgottenWaysBack.append(try field.identifier())
      default: break
      }
    }
  }
}
