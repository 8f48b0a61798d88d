import Basics
import Testing

@testable import Convergence

private func ack(
  _ node: UInt64, epoch: UInt64 = 1, sequence: UInt64, applied: UInt64, _ held: [HeldTable] = []
) -> Acknowledgement {
  Acknowledgement(
    node: NodeID(node), epoch: SessionEpoch(epoch), sequence: sequence, appliedIndex: SchemaIndex(applied), held: held)
}

private let reporter = ReporterID(1)
private let watcher = WatcherID(1)
private let start = MonotonicTime(milliseconds: 1_000)

/// The machine behind a reference, so that an expectation may contain an event.
private final class Aggregator {
  private var machine: AckAggregator
  init(_ limits: AckAggregator.Limits) { machine = AckAggregator(limits: limits) }
  func handle(_ event: AckAggregator.Event, now: MonotonicTime) -> [AckAggregator.Effect] {
    machine.handle(event, now: now)
  }
  var limits: AckAggregator.Limits { machine.limits }
  var lattice: AckLattice { machine.lattice }
  var barrierCount: Int { machine.barrierCount }
  var watcherCount: Int { machine.watcherCount }
}

struct AckAggregatorTests {
  private func opened(_ limits: AckAggregator.Limits = .init()) -> Aggregator {
    let aggregator = Aggregator(limits)
    #expect(aggregator.handle(.reporterOpened(reporter), now: start) == [])
    #expect(aggregator.handle(.watcherOpened(watcher), now: start) == [])
    return aggregator
  }

  @Test func whatConcernsABarrierGoesAtOnceAndTheRestInTheSummary() {
    let aggregator = opened()
    let barrier = Barrier(table: TableID(7), index: SchemaIndex(5))
    #expect(aggregator.handle(.barrierOpened(watcher, BarrierID(1), barrier), now: start) == [])

    // The first word of a session always concerns an open barrier.
    let first = ack(1, sequence: 1, applied: 4)
    #expect(
      aggregator.handle(.reported(reporter, [first]), now: start)
        == [.confirm(reporter, sequence: 1), .deliver(watcher, [first])])
    // Nothing about table 7 changes: later.
    let other = ack(1, sequence: 2, applied: 4, [HeldTable(table: TableID(8), oldestIndex: SchemaIndex(4))])
    #expect(aggregator.handle(.reported(reporter, [other]), now: start) == [.confirm(reporter, sequence: 2)])
    #expect(aggregator.handle(.tick, now: start) == [.deliver(watcher, [other])])
    #expect(aggregator.handle(.tick, now: start) == [])
    // Applied, yet an older use goes on: the reason changes.
    let held = ack(1, sequence: 3, applied: 5, [HeldTable(table: TableID(7), oldestIndex: SchemaIndex(4))])
    #expect(
      aggregator.handle(.reported(reporter, [held]), now: start)
        == [.confirm(reporter, sequence: 3), .deliver(watcher, [held])])
    let released = ack(1, sequence: 4, applied: 5)
    #expect(
      aggregator.handle(.reported(reporter, [released]), now: start)
        == [.confirm(reporter, sequence: 4), .deliver(watcher, [released])])
    // A repetition is confirmed and goes no further.
    #expect(aggregator.handle(.reported(reporter, [released]), now: start) == [.confirm(reporter, sequence: 4)])
    #expect(aggregator.handle(.tick, now: start) == [])
  }

  @Test func openingABarrierBringsWhatIsPending() {
    let aggregator = opened()
    let acks = [ack(2, sequence: 1, applied: 5), ack(1, sequence: 1, applied: 5)]
    #expect(aggregator.handle(.reported(reporter, acks), now: start) == [.confirm(reporter, sequence: 1)])
    let barrier = Barrier(table: TableID(7), index: SchemaIndex(5))
    #expect(
      aggregator.handle(.barrierOpened(watcher, BarrierID(1), barrier), now: start)
        == [.deliver(watcher, [acks[1], acks[0]])])
    #expect(aggregator.barrierCount == 1)
    #expect(aggregator.handle(.barrierClosed(watcher, BarrierID(1)), now: start) == [])
    #expect(aggregator.barrierCount == 0)
  }

  @Test func aNewWatcherLearnsEverythingInBatches() {
    var limits = AckAggregator.Limits()
    limits.maximumBatchCount = 2
    let aggregator = opened(limits)
    let acks = (1...5 as ClosedRange<UInt64>).map { ack($0, sequence: 1, applied: 1) }
    _ = aggregator.handle(.reported(reporter, acks), now: start)
    let effects = aggregator.handle(.watcherOpened(WatcherID(2)), now: start)
    #expect(
      effects == [
        .deliver(WatcherID(2), Array(acks[0..<2])), .deliver(WatcherID(2), Array(acks[2..<4])),
        .deliver(WatcherID(2), [acks[4]]),
      ])
  }

  @Test func silentNodesAreForgotten() {
    let aggregator = opened()
    _ = aggregator.handle(.reported(reporter, [ack(1, sequence: 1, applied: 1)]), now: start)
    let limit = aggregator.limits.silenceMilliseconds
    _ = aggregator.handle(.tick, now: start.advanced(byMilliseconds: limit - 1))
    #expect(aggregator.lattice.count == 1)
    _ = aggregator.handle(.tick, now: start.advanced(byMilliseconds: limit))
    #expect(aggregator.lattice.count == 0)
  }

  @Test func everyLimitRefusesByName() {
    var limits = AckAggregator.Limits()
    limits.maximumNodes = 1
    limits.maximumReporters = 2
    limits.maximumWatchers = 1
    limits.maximumBarriersPerWatcher = 1
    let aggregator = opened(limits)
    _ = aggregator.handle(.reporterOpened(ReporterID(2)), now: start)
    #expect(
      aggregator.handle(.reporterOpened(ReporterID(3)), now: start)
        == [.refuseReporter(ReporterID(3), "this aggregator serves 2 nodes already")])
    _ = aggregator.handle(.reported(reporter, [ack(1, sequence: 1, applied: 1)]), now: start)
    #expect(
      aggregator.handle(.reported(reporter, [ack(2, sequence: 1, applied: 1)]), now: start)
        == [.refuseReporter(reporter, "this aggregator remembers 1 nodes already")])
    // A refused stream is closed: what still arrives on it is ignored.
    #expect(aggregator.handle(.reported(reporter, [ack(1, sequence: 2, applied: 1)]), now: start) == [])
    #expect(
      aggregator.handle(.watcherOpened(WatcherID(2)), now: start)
        == [.refuseWatcher(WatcherID(2), "this aggregator has 1 watchers already")])
    let barrier = Barrier(table: TableID(1), index: SchemaIndex(1))
    _ = aggregator.handle(.barrierOpened(watcher, BarrierID(1), barrier), now: start)
    #expect(
      aggregator.handle(.barrierOpened(watcher, BarrierID(2), barrier), now: start)
        == [.refuseWatcher(watcher, "more than 1 barriers are open")])
    #expect(aggregator.watcherCount == 0)
  }

  /// Whatever is lost, repeated or split over two aggregators that restart, the leader ends with the newest acks, and its
  /// lattice is never ahead of what the nodes said.
  @Test(arguments: 0..<40 as Range<UInt64>)
  func leaderConverges(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var aggregators = [opened(), opened()]
    var leader = AckLattice()
    var spoken: [NodeID: Acknowledgement] = [:]
    var now = start
    func absorb(_ effects: [AckAggregator.Effect]) {
      for case .deliver(_, let acks) in effects { for ack in acks { leader.merge(ack) } }
    }
    for step in 1...200 as ClosedRange<UInt64> {
      now = now.advanced(byMilliseconds: 10)
      let which = Int.random(in: 0...1, using: &random)
      switch Int.random(in: 0...9, using: &random) {
      case 0: aggregators[which] = opened()
      case 1: absorb(aggregators[which].handle(.tick, now: now))
      case 2:
        let barrier = Barrier(
          table: TableID(UInt64.random(in: 1...3, using: &random)),
          index: SchemaIndex(UInt64.random(in: 1...5, using: &random)))
        absorb(aggregators[which].handle(.barrierOpened(watcher, BarrierID(step), barrier), now: now))
      default:
        var said = randomAcknowledgement(&random)
        said.sequence = step
        let newest = spoken[said.node].map { AckLattice.join($0, said) } ?? said
        spoken[said.node] = newest
        absorb(aggregators[which].handle(.reported(reporter, [said]), now: now))
      }
      for known in leader.acknowledgements {
        let newest = spoken[known.node]
        #expect(newest.map { ($0.epoch, $0.sequence) >= (known.epoch, known.sequence) } ?? false)
      }
    }
    // The nodes' periodic re-send after the last restart.
    for node in spoken.keys.sorted() {
      if let newest = spoken[node] { absorb(aggregators[0].handle(.reported(reporter, [newest]), now: now)) }
    }
    absorb(aggregators[0].handle(.tick, now: now))
    #expect(leader == AckLattice(spoken.values))
  }
}

struct PinLedgerTests {
  @Test func theOldestPinOfATableIsHeld() {
    var ledger = PinLedger()
    ledger.pin(TableID(1), at: SchemaIndex(5))
    ledger.pin(TableID(1), at: SchemaIndex(3))
    ledger.pin(TableID(1), at: SchemaIndex(3))
    ledger.pin(TableID(2), at: SchemaIndex(6))
    #expect(ledger.holdsAnythingOlder(than: SchemaIndex(4)))
    #expect(
      ledger.held == [
        HeldTable(table: TableID(1), oldestIndex: SchemaIndex(3)),
        HeldTable(table: TableID(2), oldestIndex: SchemaIndex(6)),
      ])
    let releasedOldest1 = ledger.release(TableID(1), at: SchemaIndex(3))
    #expect(!releasedOldest1)
    let releasedOldest2 = ledger.release(TableID(1), at: SchemaIndex(3))
    #expect(releasedOldest2)
    #expect(!ledger.holdsAnythingOlder(than: SchemaIndex(4)))
    let releasedOldest3 = ledger.release(TableID(1), at: SchemaIndex(5))
    #expect(releasedOldest3)
    let first = ledger.acknowledgement(node: NodeID(9), epoch: SessionEpoch(2), appliedIndex: SchemaIndex(6))
    let second = ledger.acknowledgement(node: NodeID(9), epoch: SessionEpoch(2), appliedIndex: SchemaIndex(6))
    #expect(first.held == [HeldTable(table: TableID(2), oldestIndex: SchemaIndex(6))])
    #expect(second.sequence > first.sequence)
  }

  /// Entry 4 arrives while a timestamp asked for at index 3 is on its way: the statement will stand on 3.
  @Test func timestampsUnderWayHoldTheAckBack() {
    var ledger = PinLedger()
    func acknowledged(_ applied: UInt64) -> SchemaIndex {
      var copy = ledger
      return copy.acknowledgement(
        node: NodeID(9), epoch: SessionEpoch(2), appliedIndex: SchemaIndex(applied)
      ).appliedIndex
    }
    ledger.expectTimestamps(at: SchemaIndex(3))
    ledger.expectTimestamps(at: SchemaIndex(4))
    ledger.expectTimestamps(at: SchemaIndex(3))
    #expect(acknowledged(5) == SchemaIndex(3))
    #expect(acknowledged(2) == SchemaIndex(2))
    let first = ledger.endExpectation(at: SchemaIndex(3))
    #expect(!first && acknowledged(5) == SchemaIndex(3))
    let last = ledger.endExpectation(at: SchemaIndex(3))
    #expect(last && acknowledged(5) == SchemaIndex(4))
    let newest = ledger.endExpectation(at: SchemaIndex(4))
    #expect(newest && acknowledged(5) == SchemaIndex(5))
  }

  /// Against the plain list of all pins.
  @Test(arguments: 0..<20 as Range<UInt64>)
  func agreesWithAList(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var ledger = PinLedger()
    var list: [HeldTable] = []
    for _ in 0..<300 {
      if list.isEmpty || Bool.random(using: &random) {
        let pin = HeldTable(
          table: TableID(UInt64.random(in: 1...3, using: &random)),
          oldestIndex: SchemaIndex(UInt64.random(in: 1...6, using: &random)))
        list.append(pin)
        ledger.pin(pin.table, at: pin.oldestIndex)
      } else {
        let pin = list.remove(at: Int.random(in: 0..<list.count, using: &random))
        ledger.release(pin.table, at: pin.oldestIndex)
      }
      let expected = Dictionary(grouping: list, by: \.table).map { table, pins in
        HeldTable(table: table, oldestIndex: pins.map(\.oldestIndex).min() ?? .zero)
      }
      #expect(ledger.held == expected.sorted { $0.table < $1.table })
    }
  }
}
