import Basics
import SQLValues

/// What makes a relation a sequence: how its numbers go on (PostgreSQL 15, CREATE SEQUENCE).
///
/// The counter itself is a row of the sequence's own range (`SequenceState`), one for each generation: what starts the
/// sequence anew (`RESTART`, `setval`) begins a generation, so it needs no write beside its schema entry.
public struct SequenceDescriptor: Hashable, Sendable {
  /// int2, int4 or int8.
  public var type: SQLType
  public var start: Int64
  /// Not zero.
  public var increment: Int64
  public var minimum: Int64
  public var maximum: Int64
  /// Values that a gateway takes at a time; at least 1.
  public var cache: Int64
  public var isCycling: Bool
  /// Grows when the sequence starts anew.
  public var generation: UInt64
  /// The counter of a generation that nobody has taken from yet.
  public var initialState: SequenceState
  public var owner: SequenceOwner?

  public init(
    type: SQLType = .int8, start: Int64 = 1, increment: Int64 = 1, minimum: Int64 = 1, maximum: Int64 = .max,
    cache: Int64 = 1, isCycling: Bool = false, generation: UInt64 = 1, initialState: SequenceState? = nil,
    owner: SequenceOwner? = nil
  ) {
    self.type = type
    self.start = start
    self.increment = increment
    self.minimum = minimum
    self.maximum = maximum
    self.cache = cache
    self.isCycling = isCycling
    self.generation = generation
    self.initialState = initialState ?? SequenceState(lastValue: start, isCalled: false)
    self.owner = owner
  }
}

/// The column that takes the sequence with it when it goes.
public struct SequenceOwner: Hashable, Sendable {
  public var table: TableID
  public var column: ColumnID
  /// Part of the column (`GENERATED … AS IDENTITY`), not only owned by it.
  public var isIdentity: Bool

  public init(table: TableID, column: ColumnID, isIdentity: Bool = false) {
    self.table = table
    self.column = column
    self.isIdentity = isIdentity
  }
}

/// How inserts may give values to an identity column.
public enum IdentityKind: UInt8, Hashable, Sendable {
  /// Only with `OVERRIDING SYSTEM VALUE`.
  case always = 1
  case byDefault = 2
}

/// A sequence's counter.
public struct SequenceState: Hashable, Sendable {
  public var lastValue: Int64
  /// Whether `lastValue` has been taken.
  public var isCalled: Bool

  public init(lastValue: Int64, isCalled: Bool) {
    self.lastValue = lastValue
    self.isCalled = isCalled
  }
}

/// Numbers taken from a sequence and not handed out yet.
public struct SequenceBlock: Hashable, Sendable {
  public private(set) var next: Int64
  public private(set) var count: UInt64
  private let increment: Int64

  public init(first: Int64, count: UInt64, increment: Int64) {
    next = first
    self.count = count
    self.increment = increment
  }

  /// The next number; nil when there is none left.
  public mutating func take() -> Int64? {
    guard count > 0 else { return nil }
    defer {
      count -= 1
      next = next &+ increment
    }
    return next
  }
}

extension SequenceDescriptor {
  /// Up to `wanted` numbers that follow `state`, and the counter behind them. A block does not run across the end of a
  /// cycle. Throws 2200H where a sequence that does not cycle is at its end.
  public func taking(
    _ wanted: UInt64, after state: SequenceState, name: String
  ) throws(SQLError) -> (block: SequenceBlock, state: SequenceState) {
    let first: Int64
    if !state.isCalled {
      first = state.lastValue
    } else {
      let (sum, overflow) = state.lastValue.addingReportingOverflow(increment)
      let isPastEnd = overflow || (increment > 0 ? sum > maximum : sum < minimum)
      if isPastEnd, !isCycling { throw exhausted(name) }
      first = isPastEnd ? (increment > 0 ? minimum : maximum) : sum
    }
    // A counter from before the bounds were changed.
    guard first >= minimum, first <= maximum else { throw exhausted(name) }
    let distance = UInt64(bitPattern: increment > 0 ? maximum &- first : first &- minimum)
    let steps = min(distance / increment.magnitude, max(wanted, 1) - 1)
    let last = first &+ increment &* Int64(truncatingIfNeeded: steps)
    return (
      SequenceBlock(first: first, count: steps + 1, increment: increment),
      SequenceState(lastValue: last, isCalled: true)
    )
  }

  private func exhausted(_ name: String) -> SQLError {
    SQLError(
      .sequenceLimitExceeded,
      increment > 0
        ? "nextval: reached maximum value of sequence \"\(name)\" (\(maximum))"
        : "nextval: reached minimum value of sequence \"\(name)\" (\(minimum))")
  }
}

// MARK: - The relation

extension TableDescriptor {
  public var isSequence: Bool { sequence != nil }

  /// What messages call a relation of its kind.
  public var kindName: String {
    isView ? "view" : isType ? "type" : isSequence ? "sequence" : "table"
  }

  /// Sequences have a row for each generation, found by it.
  public static let sequenceColumns = [
    ColumnDescriptor(id: ColumnID(1), name: "generation", type: .int8, isNullable: false, isHidden: true),
    ColumnDescriptor(id: ColumnID(2), name: "last_value", type: .int8, isNullable: false),
    ColumnDescriptor(id: ColumnID(3), name: "log_cnt", type: .int8, isNullable: false),
    ColumnDescriptor(id: ColumnID(4), name: "is_called", type: .boolean, isNullable: false),
  ]

  /// A new sequence whose counter lives in `range`.
  public init(
    sequence: SequenceDescriptor, id: TableID, databaseID: DatabaseID, namespaceID: NamespaceID, name: String,
    range: RangeID
  ) {
    let columns = Self.sequenceColumns
    self.init(
      id: id, databaseID: databaseID, namespaceID: namespaceID, name: name, version: TableVersion(1), columns: columns,
      // Nameless: the index of a sequence is nobody's business.
      indexes: [
        IndexDescriptor(
          id: IndexID(1), name: "", isUnique: true, keyColumns: [IndexKeyColumn(columnID: ColumnID(1))],
          rangeID: range)
      ],
      nextColumnID: ColumnID(UInt64(columns.count + 1)), nextIndexID: IndexID(2), commitFloor: TableVersion(1))
    self.sequence = sequence
  }
}
