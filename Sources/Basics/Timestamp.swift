/// A point in the one order of all transactions and schema changes, issued by the timestamp oracle only.
///
/// The upper 46 bits are milliseconds since 1970 as the oracle saw them, the lower 18 a counter. The physical part lets
/// people name a time (`AS OF SYSTEM TIME`); nothing that must be right depends on it.
public struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
  public static let logicalBits: UInt64 = 18
  public static let zero = Timestamp(rawValue: 0)
  public static let max = Timestamp(rawValue: UInt64.max)

  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The first timestamp of a millisecond.
  public init(physicalMilliseconds: UInt64) { rawValue = physicalMilliseconds << Self.logicalBits }

  public var physicalMilliseconds: UInt64 { rawValue >> Self.logicalBits }
  public var logical: UInt64 { rawValue & ((1 << Self.logicalBits) - 1) }
  /// The largest stays as it is: the oracle never issues it, but it may stand in bytes from outside.
  public var next: Timestamp { Timestamp(rawValue: rawValue == .max ? .max : rawValue + 1) }
  public var previous: Timestamp { Timestamp(rawValue: rawValue == 0 ? 0 : rawValue - 1) }

  public static func < (left: Timestamp, right: Timestamp) -> Bool { left.rawValue < right.rawValue }
  public var description: String { "\(physicalMilliseconds).\(logical)" }
}
