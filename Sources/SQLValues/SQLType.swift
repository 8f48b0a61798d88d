/// A type of the SQL language, with its modifiers.
public enum SQLType: Hashable, Sendable {
  case boolean
  case int2
  case int4
  case int8
  case float4
  case float8
  /// Arbitrary precision; without precision any number of digits (PostgreSQL 15, 8.1.2).
  case numeric(precision: Int?, scale: Int?)
  case text
  /// `varchar(n)`; nil means without a limit.
  case varchar(maximumCharacters: Int?)
  /// `char(n)`: its values are kept without trailing blanks and padded when they are printed; 0 means without a length
  /// (`bpchar`).
  case character(count: Int)
  /// The 63-byte type of catalog names.
  case name
  case bytea
  case uuid
  case date
  case timestamp
  case timestampWithTimeZone
  case interval
  case oid
  /// An untyped literal or parameter; takes the type its context wants.
  case unknown
  /// No value at all (a function such as `pg_sleep`).
  case void
  /// A type that only the catalog and its functions use.
  case system(SystemType)
  /// `CREATE TYPE … AS ENUM`. Values are sort keys.
  case enumerated(EnumType)
}
