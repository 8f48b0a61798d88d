import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLValues

/// How a statement reaches the data: the port that a transaction implements. One object stands for one statement of
/// one transaction: it reads at the statement's timestamp, sees the transaction's own writes, and pins the tables.
///
/// Calls come from one isolation domain, one at a time. Errors are what the client sees. A class of a global actor
/// conforms in isolation (`final class T: @A TableAccess`, the asynchronous methods marked `@A` one by one); no call
/// changes threads then.
public protocol TableAccess: AnyObject {
  /// Whether a write of kind `insert` whose key exists is found at commit and reported as `ConstraintViolation` says,
  /// so that the statement need not look first (a statement that is its own transaction).
  var checksInsertsAtCommit: Bool { get }

  /// The stored values of the keys, in order; nil where there is no row.
  nonisolated(nonsending) func get(
    table: TableDescriptor, index: IndexDescriptor, keys: [[UInt8]]
  ) async throws(SQLError) -> [[UInt8]?]

  /// The next rows of a span, ascending by key (descending if reversed).
  nonisolated(nonsending) func scan(_ request: ScanRequest) async throws(SQLError) -> ScanBatch

  /// Locks rows of the primary index against writers until the transaction ends. Where a row has changed after the
  /// statement's timestamp, the newest version is returned for the statement to look at again (READ COMMITTED);
  /// under stricter isolation that is an error (40001). A transaction of one statement may leave locking to its commit.
  nonisolated(nonsending) func lock(
    table: TableDescriptor, keys: [[UInt8]], wait: LockWait
  ) async throws(SQLError) -> [LockedRow]

  /// Adds writes to the transaction, visible to its later reads.
  nonisolated(nonsending) func write(table: TableDescriptor, mutations: [TableMutation]) async throws(SQLError)

  /// Has something looked at once more when the transaction commits: when all that it writes holds its keys against others, at a
  /// timestamp taken then. If it no longer holds, the commit fails as one that lost against another transaction (40001), and a
  /// statement that is its own transaction runs again.
  func checkAtCommit(_ check: any CommitCheck)

  /// Called now and then by operators that work long without reading: the place to let others run and to end a
  /// cancelled statement.
  nonisolated(nonsending) func checkpoint() async throws(SQLError)

  /// A number that no other row of the cluster gets: the row id of tables without primary key.
  func nextRowID() -> Int64

  /// What a sequence function yields. Sequences take no part in the transaction: what was taken stays taken.
  nonisolated(nonsending) func value(of call: SequenceCall) async throws(SQLError) -> Datum
}

/// What a statement has found to be so and relies on (`TableAccess.checkAtCommit`).
public protocol CommitCheck: AnyObject, Sendable {
  /// Of which others must not have added rows.
  var table: TableDescriptor { get }

  /// Whether it is so as `access` sees the rows, the transaction's own writes among them.
  nonisolated(nonsending) func holds(_ access: any TableAccess) async throws(SQLError) -> Bool
}

extension TableAccess {
  public nonisolated(nonsending) func checkpoint() async throws(SQLError) {}

  public nonisolated(nonsending) func value(of call: SequenceCall) async throws(SQLError) -> Datum {
    throw SQLError.unsupported("\(call.name)()")
  }
}

public struct ScanRequest: Sendable {
  public var table: TableDescriptor
  public var index: IndexDescriptor
  public var span: KeySpan
  public var specification: ScanSpecification
  public var isReverse: Bool
  /// Rows wanted after the filter; nil for all.
  public var rowLimit: Int?

  public init(
    table: TableDescriptor, index: IndexDescriptor, span: KeySpan, specification: ScanSpecification,
    isReverse: Bool = false, rowLimit: Int? = nil
  ) {
    self.table = table
    self.index = index
    self.span = span
    self.specification = specification
    self.isReverse = isReverse
    self.rowLimit = rowLimit
  }
}

public struct ScanBatch: Sendable {
  public var rows: DatumBatch
  /// What is left to scan; nil at the end. A batch may be empty although more follows.
  public var remainder: KeySpan?

  public init(rows: DatumBatch, remainder: KeySpan?) {
    self.rows = rows
    self.remainder = remainder
  }
}

public enum LockWait: Hashable, Sendable {
  case untilGranted
  /// 55P03 if a row is locked by another.
  case refuse
  /// Rows locked by others are left out (`skipped`).
  case skipLocked
}

public enum LockedRow: Hashable, Sendable {
  /// Locked (or left to the commit), and as the statement read it.
  case unchanged
  /// Locked; the newest version of the row, nil if it is gone.
  case changed([UInt8]?)
  case skipped
}

/// One write of a statement.
public struct TableMutation: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case put
    case delete
    /// The key must not exist: else 23505 (`ConstraintViolation.duplicateKey`).
    case insert
    /// Nothing is written, but the key must not have changed since it was read, and nobody else can change it until the commit.
    case check
  }

  public var kind: Kind
  public var index: IndexID
  public var rangeID: RangeID
  public var key: [UInt8]
  /// Empty for `delete` and `check`.
  public var value: [UInt8]

  public init(kind: Kind, index: IndexID, rangeID: RangeID, key: [UInt8], value: [UInt8]) {
    self.kind = kind
    self.index = index
    self.rangeID = rangeID
    self.key = key
    self.value = value
  }
}
