import Basics
import Catalog
import SQLValues

/// An interval of keys.
public struct KeySpan: Hashable, Sendable {
  public var start: [UInt8]
  /// Exclusive.
  public var end: [UInt8]

  public init(start: [UInt8], end: [UInt8]) {
    self.start = start
    self.end = end
  }

  public var isEmpty: Bool { !start.lexicographicallyPrecedes(end) }

  public func contains(_ key: [UInt8]) -> Bool {
    !key.lexicographicallyPrecedes(start) && key.lexicographicallyPrecedes(end)
  }
}

/// One side of a range of values of a key column.
public struct KeyBound: Hashable, Sendable {
  public var value: Datum
  public var isInclusive: Bool

  public init(_ value: Datum, isInclusive: Bool) {
    self.value = value
    self.isInclusive = isInclusive
  }
}

extension KeySpan {
  /// All entries of an index.
  public static func whole(table: TableID, index: IndexID) -> KeySpan {
    let prefix = KeyEncoding.prefix(table: table, index: index)
    return KeySpan(start: prefix, end: KeyEncoding.successor(ofPrefix: prefix))
  }

  /// The entries whose first key columns equal `prefix` and whose next key column lies between the bounds. A bound
  /// excludes NULL. `prefix` may hold NULL, which means IS NULL.
  public static func constrained(
    table: TableID, index: IndexDescriptor, prefix: [Datum], lower: KeyBound? = nil, upper: KeyBound? = nil
  ) -> KeySpan {
    var key = KeyEncoding.prefix(table: table, index: index.id)
    for (value, column) in zip(prefix, index.keyColumns) {
      KeyEncoding.append(value, isDescending: column.isDescending, to: &key)
    }
    guard lower != nil || upper != nil, prefix.count < index.keyColumns.count else {
      return KeySpan(start: key, end: KeyEncoding.successor(ofPrefix: key))
    }
    let isDescending = index.keyColumns[prefix.count].isDescending
    func edge(_ bound: KeyBound, isStart: Bool) -> [UInt8] {
      var edge = key
      KeyEncoding.append(bound.value, isDescending: isDescending, to: &edge)
      // Start: behind all equal keys unless they are included. End: before them unless they are.
      return bound.isInclusive == isStart ? edge : KeyEncoding.successor(ofPrefix: edge)
    }
    func null() -> [UInt8] {
      var edge = key
      KeyEncoding.append(.null, isDescending: isDescending, to: &edge)
      return isDescending ? KeyEncoding.successor(ofPrefix: edge) : edge
    }
    let (first, last) = isDescending ? (upper, lower) : (lower, upper)
    let start = first.map { edge($0, isStart: true) } ?? (isDescending ? null() : key)
    let end =
      last.map { edge($0, isStart: false) } ?? (isDescending ? KeyEncoding.successor(ofPrefix: key) : null())
    return KeySpan(start: start, end: end)
  }
}
