import Basics
import Convergence
import EventLoop

/// Which schema indexes running statements and transactions still stand on, for each table.
///
/// A pin taken at the index in force costs nothing on the network: only pins older than the applied index are told
/// (`held`), and releasing the last of those is told at once (`onRelease`), because a barrier may wait for it.
@EventLoopActor public final class PinRegistry {
  public struct Pin: Hashable, Sendable {
    public let table: TableID
    /// The newest schema index of the catalog the holder uses.
    public let index: SchemaIndex

    public init(table: TableID, index: SchemaIndex) {
      self.table = table
      self.index = index
    }
  }

  private var ledger = PinLedger()
  /// How many open transactions began at each timestamp.
  private var openStarts: [Timestamp: Int] = [:]
  /// Called when the oldest pin of a table has gone; the receiver decides whether that matters.
  var onRelease: (@EventLoopActor (Pin) -> Void)?

  /// Called when the oldest timestamps under way are in use.
  var onExpectationEnd: (@EventLoopActor (SchemaIndex) -> Void)?

  nonisolated init() {}

  public func pin(_ pin: Pin) { ledger.pin(pin.table, at: pin.index) }

  /// The pin must have been taken.
  public func unpin(_ pin: Pin) { if ledger.release(pin.table, at: pin.index) { onRelease?(pin) } }

  /// See `PinLedger.expectTimestamps`.
  func expectTimestamps(at index: SchemaIndex) { ledger.expectTimestamps(at: index) }
  func endExpectation(at index: SchemaIndex) { if ledger.endExpectation(at: index) { onExpectationEnd?(index) } }
  func acknowledgeable(_ applied: SchemaIndex) -> SchemaIndex { ledger.acknowledgeable(applied) }

  /// For each table the oldest pinned index below `applied`, by table.
  public func held(below applied: SchemaIndex) -> [Pin] {
    ledger.held.filter { $0.oldestIndex < applied }.map { Pin(table: $0.table, index: $0.oldestIndex) }
  }

  /// A transaction has begun; storage keeps what it may read from here on.
  func opened(at start: Timestamp) { openStarts[start, default: 0] += 1 }

  /// It must have been opened.
  func closed(at start: Timestamp) {
    guard let count = openStarts[start] else { return }
    openStarts[start] = count > 1 ? count - 1 : nil
  }

  /// Where the oldest open transaction began; nil: none is open.
  public var oldestStart: Timestamp? { openStarts.keys.min() }
}
