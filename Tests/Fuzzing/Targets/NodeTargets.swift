import Basics
import Convergence
import GatewayNode
import Metadata
import MetadataNode
import RocksEngine

/// What nodes keep, and what they take from each other beside calls.
let nodeTargets: [FuzzTarget] = [
  FuzzTarget("checkpoint", seeds: checkpointSeeds) { bytes in FuzzWorld.run { _ in runCheckpoint(bytes) } },
  FuzzTarget("acknowledgements", seeds: { [[0, 1, 1, 1, 9, 2, 1, 3, 1, 5, 2, 1, 4, 6, 0]] }, run: runAcknowledgements),
  FuzzTarget("raw-entries", seeds: { [[1, 7, 2, 1, 2, 1, 8, 0]] }) { bytes in
    guard let entries = try? RawEntries.decode(bytes) else { return }
    var writer = ByteWriter()
    for entry in entries {
      writer.writeBytes(entry.key)
      writer.writeBytes(entry.value)
    }
    let again = try? RawEntries.decode(writer.bytes)
    require(again?.map(\.key) == entries.map(\.key) && again?.map(\.value) == entries.map(\.value), "read again")
  },
]

// MARK: - The metadata service's checkpoint

/// A piece as the header, then the only piece of the state, which may be of either generation.
private func runCheckpoint(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  let header = input.piece()
  guard
    let database = try? RocksDatabase.open("/c", columnFamilies: [ColumnFamilyOptions("meta")], disk: SimulatedDisk())
  else { return require(false, "a disk in memory opens") }
  let family = database.columnFamily("meta")
  let batch = WriteBatch()
  batch.put([0x68], header, in: family)
  for generation in [0, 1] as [UInt8] { batch.put([0x70, generation, 0, 0, 0, 0], input.bytes, in: family) }
  guard (try? database.write(batch, sync: true)) != nil else { return require(false, "a record is written") }
  do {
    guard let (state, _) = try Checkpoints(database: database, family: family).load() else { return }
    require((try? MetadataState(decoding: state.encoded()))?.encoded() == state.encoded(), "a state is kept whole")
  } catch {
    require(error is RocksError || error is MalformedBytes, "damage is told as such: \(error)")
  }
}

private func checkpointSeeds() -> [[UInt8]] {
  var header = ByteWriter()
  header.field(1, 5 as UInt64)
  header.field(2, 1 as UInt64)
  header.field(3, 1 as UInt64)
  return [[UInt8(header.bytes.count)] + header.bytes + fuzzMetadata.encoded()]
}

// MARK: - Acknowledgements

/// Events, each: what (one byte), then one byte for each of its numbers.
private func runAcknowledgements(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  var limits = AckAggregator.Limits()
  (limits.maximumNodes, limits.maximumReporters, limits.maximumWatchers, limits.maximumBarriersPerWatcher) = (
    4, 3, 2, 3
  )
  limits.maximumBatchCount = 2
  var aggregator = AckAggregator(limits: limits)
  var now = MonotonicTime(nanoseconds: 1)
  func number() -> UInt64 { input.byte() == 255 ? UInt64.max : UInt64(input.byte()) }
  while !input.isEmpty {
    let event: AckAggregator.Event
    switch input.byte() % 8 {
    case 0: event = .reporterOpened(ReporterID(UInt64(input.byte())))
    case 1:
      let reporter = ReporterID(UInt64(input.byte()))
      let acknowledgements = (0..<input.byte() % 4).map { _ in
        let held = (0..<input.byte() % 3).map { _ in
          HeldTable(table: TableID(number()), oldestIndex: SchemaIndex(number()))
        }
        return Acknowledgement(
          node: NodeID(number()), epoch: SessionEpoch(number()), sequence: number(),
          appliedIndex: SchemaIndex(number()),
          held: held)
      }
      event = .reported(reporter, acknowledgements)
    case 2: event = .reporterClosed(ReporterID(UInt64(input.byte())))
    case 3: event = .watcherOpened(WatcherID(UInt64(input.byte())))
    case 4:
      let barrier = Barrier(table: TableID(number()), index: SchemaIndex(number()))
      event = .barrierOpened(WatcherID(UInt64(input.byte())), BarrierID(UInt64(input.byte())), barrier)
    case 5: event = .barrierClosed(WatcherID(UInt64(input.byte())), BarrierID(UInt64(input.byte())))
    case 6: event = .watcherClosed(WatcherID(UInt64(input.byte())))
    default:
      now = now.advanced(byMilliseconds: UInt64(input.byte()) * 1_000)
      event = .tick
    }
    for case .deliver(_, let batch) in aggregator.handle(event, now: now) {
      require(!batch.isEmpty && batch.count <= limits.maximumBatchCount, "a batch has its limit")
      require(zip(batch, batch.dropFirst()).allSatisfy { $0.node < $1.node }, "ascending by node")
    }
    require(aggregator.lattice.count <= limits.maximumNodes, "as many nodes as allowed")
    require(aggregator.reporterCount <= limits.maximumReporters, "as many reporters as allowed")
    require(aggregator.barrierCount <= limits.maximumWatchers * limits.maximumBarriersPerWatcher, "and barriers")
  }
}
