import Basics

/// Issues timestamps from a window that is reserved in the Raft log, never the same twice, never a smaller one after a larger
/// one, through every change of leader (Architecture.md, "One order"; the scheme of Peng and Dabek, OSDI 2010, section 2.3).
///
/// While a schema entry with the effective timestamp `S` is proposed and not applied, only timestamps below `S` are issued; once
/// it is applied, only larger ones. So every timestamp has exactly one schema index in force.
public struct TimestampOracle: Hashable, Sendable {
  /// How far ahead of the clock a window reaches.
  public static let windowMilliseconds: UInt64 = 3_000
  /// How far ahead of the clock the oracle may go for whoever needs a timestamp above a bound. A new leader of the metadata
  /// starts up to one window ahead, and a range that changes its leader asks for up to a second more: without this lead its
  /// writes would wait until the clock has caught up with both.
  public static let maximumLeadMilliseconds: UInt64 = 2 * windowMilliseconds
  /// How far above the present an entry's timestamp lies, to leave room for what is asked for meanwhile.
  public static let entryLead = Timestamp(physicalMilliseconds: 4).rawValue
  /// Timestamps between two entries that are under way at once.
  public static let entrySpacing: UInt64 = 1 << 14
  /// Most that one request can have.
  public static let maximumCount: UInt64 = 100_000

  /// The last one issued, or the last at which something was in force.
  public private(set) var last: Timestamp
  /// The largest that may be issued; raised by applied reservations only.
  public private(set) var bound: Timestamp

  /// - Parameter floor: the new leader starts above it: the applied bound and the catalog's timestamp.
  public init(startingAbove floor: Timestamp) {
    last = floor
    bound = floor
  }

  /// `count` consecutive timestamps below `ceiling`, the first of them; nil when the window has no room: ask again when it moved.
  public mutating func take(_ count: UInt64, ceiling: Timestamp?, wallMilliseconds: UInt64) -> Timestamp? {
    let limit = min(bound.rawValue, ceiling.map { $0.previous.rawValue } ?? UInt64.max)
    guard count > 0, count <= Self.maximumCount, last.rawValue < limit else { return nil }
    let room = count - 1
    var first = max(last.rawValue + 1, Self.physical(wallMilliseconds).rawValue)
    if first > limit || limit - first < room { first = last.rawValue + 1 }
    guard first <= limit, limit - first >= room else { return nil }
    last = Timestamp(rawValue: first + room)
    return Timestamp(rawValue: first)
  }

  /// Raises the last issued timestamp to at least `floor`, if that is in the window and not too far ahead of the clock.
  public mutating func skip(to floor: Timestamp, ceiling: Timestamp?, wallMilliseconds: UInt64) {
    let (latest, overflow) = wallMilliseconds.addingReportingOverflow(Self.maximumLeadMilliseconds)
    guard floor > last, floor.physicalMilliseconds <= (overflow ? .max : latest), floor <= bound,
      ceiling.map({ floor < $0 }) ?? true
    else { return }
    last = floor
  }

  /// The effective timestamp of an entry that is proposed now, above those of the entries under way.
  public func entryTimestamp(after newestPending: Timestamp?, wallMilliseconds: UInt64) -> Timestamp {
    let present = max(last.rawValue, Self.physical(wallMilliseconds).rawValue) &+ Self.entryLead
    guard let newestPending else { return Timestamp(rawValue: present) }
    return Timestamp(rawValue: max(present, newestPending.rawValue &+ Self.entrySpacing))
  }

  /// An entry was applied: it is in force for everything issued from now on.
  public mutating func applied(entryAt timestamp: Timestamp) { last = max(last, timestamp) }

  public mutating func applied(bound newBound: Timestamp) { bound = max(bound, newBound) }

  /// The bound to reserve now; nil while more than half of the window is left.
  public func reservation(wallMilliseconds: UInt64) -> Timestamp? {
    let present = max(last.rawValue, Self.physical(wallMilliseconds).rawValue)
    let window = Timestamp(physicalMilliseconds: Self.windowMilliseconds).rawValue
    guard present <= UInt64.max - window, bound.rawValue < present + window / 2 else { return nil }
    return Timestamp(rawValue: present + window)
  }

  private static func physical(_ wallMilliseconds: UInt64) -> Timestamp {
    Timestamp(physicalMilliseconds: min(wallMilliseconds, UInt64.max >> (Timestamp.logicalBits + 1)))
  }
}
