/// An immutable number that names one thing for ever and is never given to another.
public protocol Identifier: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible
where RawValue == UInt64 {
  init(rawValue: UInt64)
}

extension Identifier {
  public init(_ rawValue: UInt64) { self.init(rawValue: rawValue) }
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  public var description: String { String(rawValue) }
}

/// A process of the cluster: unique over all roles, kept over restarts.
public struct NodeID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Distinguishes the registrations of one node with the metadata service; grows with each.
public struct SessionEpoch: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

public struct DatabaseID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// A schema in the sense of SQL, for which PostgreSQL's other word is used: what names of relations are unique in.
public struct NamespaceID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

public struct TableID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Unique within its enumerated type.
public struct EnumValueID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Unique within its table.
public struct ColumnID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Unique within its table; the primary index of a new table is 1.
public struct IndexID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Unique within its table.
public struct ConstraintID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

public struct RangeID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

public struct JobID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Position in the schema log: 1 is the first entry, 0 is before every entry.
public struct SchemaIndex: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  public static let zero = SchemaIndex(rawValue: 0)
  /// The largest number, which only bytes from outside can hold, stays as it is.
  public var next: SchemaIndex { SchemaIndex(rawValue: rawValue == .max ? .max : rawValue + 1) }
}

/// Version of one table's descriptor: 1 when it is created, one more with every entry that changes it.
public struct TableVersion: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  /// "Does not exist": the `from` of a creation.
  public static let none = TableVersion(rawValue: 0)
  /// The largest number, which only bytes from outside can hold, stays as it is.
  public var next: TableVersion { TableVersion(rawValue: rawValue == .max ? .max : rawValue + 1) }
  public var previous: TableVersion { TableVersion(rawValue: rawValue == 0 ? 0 : rawValue - 1) }
}

/// Version of the descriptor of a namespace or a database: 1 when it is created, one more with every entry that changes it.
public struct DescriptorVersion: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  /// "Does not exist": the `from` of a creation.
  public static let none = DescriptorVersion(rawValue: 0)
  /// The largest number, which only bytes from outside can hold, stays as it is.
  public var next: DescriptorVersion { DescriptorVersion(rawValue: rawValue == .max ? .max : rawValue + 1) }
}

/// Names one DDL request for ever, so that a retry of it is recognised (1 to 128 bytes of UTF-8).
public struct OperationID: Hashable, Sendable, CustomStringConvertible {
  public static let maximumLengthBytes = 128
  public let text: String
  public init?(_ text: String) {
    guard !text.isEmpty, text.utf8.count <= Self.maximumLengthBytes else { return nil }
    self.text = text
  }
  public var description: String { text }
}
