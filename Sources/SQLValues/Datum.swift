import Basics

/// One value of the SQL language. The type it is shown and compared as is known from the context (`SQLType`).
public enum Datum: Hashable, Sendable {
  case null
  case boolean(Bool)
  /// int2, int4, int8, oid.
  case integer(Int64)
  /// float4, float8.
  case double(Double)
  case decimal(Decimal)
  /// text, varchar, char, name.
  case text(String)
  /// bytea; of enumerated types the sort key (`EnumType`).
  case bytes([UInt8])
  case uuid(UUIDValue)
  /// Days since 2000-01-01; Int32.min and Int32.max are -infinity and infinity.
  case date(Int32)
  /// timestamp and timestamptz: microseconds since 2000-01-01 00:00 (UTC); Int64.min and Int64.max are -infinity and infinity.
  case timestamp(Int64)
  case interval(IntervalValue)

  public var isNull: Bool { if case .null = self { true } else { false } }
}

/// 128 bits, most significant first.
public struct UUIDValue: Hashable, Comparable, Sendable {
  public let high: UInt64
  public let low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  public static func < (left: UUIDValue, right: UUIDValue) -> Bool { (left.high, left.low) < (right.high, right.low) }
}

/// A span of time in the three units that PostgreSQL keeps apart.
public struct IntervalValue: Hashable, Sendable {
  public let months: Int32
  public let days: Int32
  public let microseconds: Int64

  public init(months: Int32, days: Int32, microseconds: Int64) {
    self.months = months
    self.days = days
    self.microseconds = microseconds
  }
}
