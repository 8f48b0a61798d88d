/// Whom a fault strikes.
public enum FaultTarget: Hashable, Sendable {
  /// A host by its name.
  case host(String)
  /// The leader of the metadata group at that moment.
  case metadataLeader
  /// The storage node that leads most ranges at that moment.
  case storageLeader
  /// Any host of a role; nil: of any role.
  case random(role: String?)
  /// The host that the action before struck.
  case last
  case all

  /// The roles that `random-…` knows.
  public static let roles = ["meta", "gateway", "storage", "ack"]
}

/// What a fault does.
public enum FaultKind: Hashable, Sendable {
  /// The process dies.
  case kill
  /// The machine dies: unsynced writes are lost, connections go silent.
  case powerOff
  /// Starts what is dead.
  case restart
  case pause
  case resume
  /// Nothing passes one way.
  case cut(to: FaultTarget)
  /// Nothing passes either way.
  case cutBoth(to: FaultTarget)
  /// Nothing passes between the target and anybody.
  case isolate
  /// Connections between the target and anybody but one end, and nothing passes any more: the others go on without it, and
  /// who asks nobody else is told what has long been overtaken.
  case strand(with: FaultTarget)
  /// Ends all cuts, slow links and stalls.
  case heal
  /// Messages both ways take this much longer.
  case slow(to: FaultTarget, nanoseconds: UInt64)
  /// Bytes one way are held back and come later, in order.
  case stall(to: FaultTarget)
  /// The connections between the two end; what is in flight is lost.
  case reset(to: FaultTarget)
  case diskFull
  /// Every sync takes this long.
  case diskSlow(nanoseconds: UInt64)
  /// Ends what the disk suffers from.
  case diskOK
  /// One stored value changes, and its checksum tells.
  case bitRot
  /// The monotonic clock runs faster (slower: negative) by this many millionths.
  case clockRate(partsPerMillion: Int64)
  /// The wall clock is set to another time.
  case clockStep(milliseconds: Int64)
}

/// One thing that goes wrong.
public struct FaultAction: Hashable, Sendable {
  public var kind: FaultKind
  public var target: FaultTarget
  /// Nanoseconds after which it is undone; nil: it stays until an action ends it.
  public var duration: UInt64?

  public init(_ kind: FaultKind, _ target: FaultTarget, for duration: UInt64? = nil) {
    self.kind = kind
    self.target = target
    self.duration = duration
  }
}
