import Basics
import Catalog
import ClusterClient
import EventLoop
import RPC
import Transactions
import Wire

/// One index build over one source range: reads at a timestamp in chunks on a worker thread, hands the entries to the target
/// range's leader, several batches at a time, and reports a checkpoint behind everything that is durably there.
///
/// Or rows of the source range that get values of columns on their way in: then they are what is written, at the timestamp at
/// which they were read, into the range that they came from.
@EventLoopActor final class BackfillRun {
  nonisolated static let rowsPerChunk = 2048
  static let maximumChunksInFlight = 4
  /// While clients use this node: smaller steps, and rests between them (`WorkShare`).
  nonisolated static let rowsPerChunkBesideClients = 512
  static let maximumChunksInFlightBesideClients = 1
  static let requestsPerSecondOfClients: UInt64 = 50
  static let longestRestMilliseconds: UInt64 = 1_000
  /// A step that waited longer was not at work all the time.
  static let longestStepMilliseconds: UInt64 = 200
  static let ingestMilliseconds: UInt64 = 30_000
  static let progressMilliseconds: UInt64 = 250

  private struct Chunk {
    var isDone = false
    var batchesLeft: Int
    var rowCount: Int
    var lastKey: [UInt8]
  }

  private let store: RangeStore
  private let ranges: RangeClient
  private let locks: LockResolver
  private let worker: WorkerThread
  private let table: TableDescriptor
  /// nil: the rows themselves.
  private let index: IndexDescriptor?
  private let filling: RowFilling?
  private let source: RangeID
  private let target: RangeID
  private let timestamp: Timestamp
  private let maximumRowsPerSecond: UInt64
  private let reader: SourceReader
  private var refusesDuplicates: Bool {
    index?.isUnique == true && !PlantedFault.isPlanted(.uniqueCheckSkipped)
  }
  /// In the order of the source.
  private var chunks: [Chunk] = []
  private var firstChunk = 0
  private var failure: (any Error)?
  private var change: UnsafeContinuation<Void, Never>?
  private var hasClients = false
  private var share: WorkShare
  private var lastLook: MonotonicTime
  private var lastRequests: UInt64
  private(set) var checkpoint: [UInt8]
  private(set) var rowsDone: UInt64 = 0

  init(
    _ store: RangeStore, ranges: RangeClient, locks: LockResolver, worker: WorkerThread, table: TableDescriptor,
    index: IndexDescriptor?, filling: RowFilling? = nil, request: BackfillRequest
  ) {
    self.filling = filling
    target = index?.rangeID ?? RangeID(request.sourceRangeID)
    self.store = store
    self.ranges = ranges
    self.locks = locks
    self.worker = worker
    self.table = table
    self.index = index
    source = RangeID(request.sourceRangeID)
    timestamp = Timestamp(rawValue: request.readTimestamp)
    maximumRowsPerSecond = request.maxRowsPerSecond
    share = WorkShare(maximumLatencyIncrease: request.maxLatencyIncrease)
    checkpoint = request.checkpoint
    lastLook = EventLoop.now
    lastRequests = store.metrics.clientRequests
    reader = SourceReader(store, locks, timestamp: timestamp)
  }

  /// Returns when every row has its entry, and for a unique index when whoever wrote without seeing them has ended. `report` is called with each checkpoint, not too often.
  func run(report: @EventLoopActor (BackfillProgress) async throws -> Void) async throws {
    guard let replica = store.replica(source) else { throw SourceReader.LedElsewhere(leader: nil) }
    let whole = replica.span
    let state = store.state.frozen()
    let estimate = try await worker.run { try RangeEstimate.measure(state, whole) }.rows
    // The next key after the checkpoint: row keys are prefix-free, so nothing lies between.
    var position: [UInt8]? = checkpoint.isEmpty ? whole.start : checkpoint + [0]
    var admitted: ReadableSpan?
    if !checkpoint.isEmpty { Probes.reached(.backfillResumed) }
    let began = EventLoop.now
    var rowsRead: UInt64 = 0
    var lastReport = began
    while let start = position {
      let work = EventLoop.now
      let answeredBefore = store.metrics.answered
      noticeClients(work)
      try await waitForRoom()
      try await pace(rowsRead, since: began)
      if admitted == nil {
        admitted = try await reader.admit(KeySpan(start: start, end: whole.end), of: source)
      }
      guard let readable = admitted else { continue }
      let span = KeySpan(start: start, end: readable.span.end)
      let skipsRow = PlantedFault.isPlanted(.checkpointOneRowTooFar) && rowsRead == 0 && !checkpoint.isEmpty
      let rowLimit = min(
        skipsRow ? 1 : store.maximumRowsPerChunk, hasClients ? Self.rowsPerChunkBesideClients : Self.rowsPerChunk,
        rowsPerPacedChunk)
      let chunk = try await read(readable.state, span, rowLimit: rowLimit)
      rowsRead += UInt64(chunk.rowCount)
      if !skipsRow { send(chunk) }
      if let resumeKey = chunk.resumeKey {
        position = resumeKey
      } else if readable.span.end == whole.end {
        position = nil
      } else {
        // A lock cut the span: go on from it.
        position = readable.span.end
        admitted = nil
      }
      if hasClients, position != nil { try await rest(after: work, answeredBefore) }
      if EventLoop.now.milliseconds(since: lastReport) >= Self.progressMilliseconds {
        lastReport = EventLoop.now
        try await report(progress(estimate))
      }
    }
    while firstChunk < chunks.count || failure != nil {
      try throwFailure()
      await waitForChange()
    }
    if let index, refusesDuplicates {
      try await PrewriteDrain(ranges: ranges, locks: locks).run(index, of: table) {
        guard EventLoop.now.milliseconds(since: lastReport) >= Self.progressMilliseconds else { return }
        lastReport = EventLoop.now
        try await report(self.progress(estimate))
      }
    }
    var last = progress(estimate)
    last.isDone = true
    try await report(last)
  }

  private func read(
    _ state: StoreState, _ span: KeySpan, rowLimit: Int
  ) async throws -> BackfillChunk {
    let (timestamp, table) = (timestamp, table)
    if let filling { return try await filling.read(state, span, at: timestamp, rowLimit: rowLimit) }
    guard let index else { throw SQLError(.internalError, "a backfill of nothing") }
    return try await worker.run {
      try BackfillChunk.read(state, span, at: timestamp, table: table, index: index, rowLimit: rowLimit)
    }
  }

  private func progress(_ estimate: UInt64) -> BackfillProgress {
    BackfillProgress(
      checkpoint: checkpoint, rowsDone: rowsDone, rowsTotalEstimate: max(estimate, rowsDone))
  }

  // MARK: - Pace

  private func waitForRoom() async throws {
    try throwFailure()
    while chunks.count - firstChunk
      >= (hasClients ? Self.maximumChunksInFlightBesideClients : Self.maximumChunksInFlight)
    {
      await waitForChange()
      try throwFailure()
    }
    try Task.checkCancellation()
  }

  /// Whether clients read and write here, looked at ten times a second.
  private func noticeClients(_ now: MonotonicTime) {
    let elapsed = now.milliseconds(since: lastLook)
    guard elapsed >= 100 else { return }
    let requests = store.metrics.clientRequests
    hasClients = (requests &- lastRequests) &* 1000 / elapsed >= Self.requestsPerSecondOfClients
    lastLook = now
    lastRequests = requests
  }

  /// Lets the entries arrive, then leaves the processors to the clients.
  private func rest(after work: MonotonicTime, _ answeredBefore: WorkShare.Requests) async throws {
    while firstChunk < chunks.count {
      try throwFailure()
      await waitForChange()
    }
    let answeredAtWork = store.metrics.answered
    share.worked(answeredAtWork - answeredBefore)
    let spent = min(EventLoop.now.milliseconds(since: work), Self.longestStepMilliseconds)
    let rest = min(max(1, share.restMilliseconds(after: spent)), Self.longestRestMilliseconds)
    try await EventLoop.sleep(for: .milliseconds(Int64(rest)))
    share.rested(store.metrics.answered - answeredAtWork)
  }

  /// A quarter of a second's rows, so that a low limit neither stands still for long nor is made up for in one leap.
  private var rowsPerPacedChunk: Int {
    maximumRowsPerSecond == 0 ? Int.max : max(1, Int(clamping: maximumRowsPerSecond / 4))
  }

  private func pace(_ rowsRead: UInt64, since began: MonotonicTime) async throws {
    guard maximumRowsPerSecond > 0 else { return }
    let due = rowsRead &* 1000 / maximumRowsPerSecond
    let elapsed = EventLoop.now.milliseconds(since: began)
    if due > elapsed { try await EventLoop.sleep(for: .milliseconds(Int64(clamping: due - elapsed))) }
  }

  private func throwFailure() throws {
    if let failure { throw failure }
  }

  private func waitForChange() async {
    await withUnsafeContinuation { change = $0 }
  }

  private func changed() {
    let waiting = change
    change = nil
    waiting?.resume()
  }

  // MARK: - Sending

  private func send(_ chunk: BackfillChunk) {
    let number = chunks.count
    chunks.append(Chunk(batchesLeft: chunk.batches.count, rowCount: chunk.rowCount, lastKey: chunk.lastKey))
    if chunk.batches.isEmpty { return batchDone(of: number) }
    for batch in chunk.batches { send(batch, of: number) }
  }

  private func send(_ batch: [UInt8], of number: Int) {
    if let target = store.replica(target), target.isLeading {
      let ingestion = Ingestion(
        timestamp: timestamp, entries: batch, refusesDuplicates: refusesDuplicates, keepsFirst: filling != nil)
      store.metrics.ingestBytes.increment(by: batch.count)
      target.submit(.ingest(ingestion)) { [self] answer in
        switch answer.failure {
        case nil: self.batchDone(of: number)
        case .duplicateEntry(let key)?: self.failed(self.duplicate(of: key, in: batch))
        case .notLeader?, .unknownRange?, .outcomeUnknown?: self.sendByCall(batch, of: number)
        case .overloaded?:
          Timer.once(after: .milliseconds(20)) { [self] in self.sendByCall(batch, of: number) }
        case .diskFull?: self.failed(SQLError(.diskFull, "no space left on a storage node"))
        case let failure?: self.failed(SQLError(.internalError, "entries were refused", detail: "\(failure)"))
        }
      }
      return
    }
    sendByCall(batch, of: number)
  }

  private func sendByCall(_ batch: [UInt8], of number: Int) {
    if failure != nil { return }
    let request = IngestRequest(
      timestamp: timestamp.rawValue, entries: batch, refusesDuplicates: refusesDuplicates, keepsFirst: filling != nil)
    let deadline = EventLoop.now.advanced(byMilliseconds: Self.ingestMilliseconds)
    ranges.call(RangeService.ingest, range: target, request, deadline: deadline) { [self] result in
      switch result {
      case .success(let response):
        guard let error = response.error, error.kind != .ok else { return self.batchDone(of: number) }
        switch error.kind {
        case .keyExists: self.failed(self.duplicate(of: error.key, in: batch))
        case .diskFull: self.failed(SQLError(.diskFull, "no space left on a storage node"))
        default: self.failed(SQLError(.internalError, "entries were refused", detail: error.message))
        }
      case .failure(let failure): self.failed(failure.sqlError)
      }
    }
  }

  private func batchDone(of number: Int) {
    chunks[number].batchesLeft -= 1
    if chunks[number].batchesLeft > 0 { return }
    chunks[number].isDone = true
    while firstChunk < chunks.count, chunks[firstChunk].isDone {
      let done = chunks[firstChunk]
      rowsDone += UInt64(done.rowCount)
      store.metrics.backfilledRows.increment(by: done.rowCount)
      if !done.lastKey.isEmpty { checkpoint = done.lastKey }
      firstChunk += 1
    }
    changed()
  }

  private func failed(_ error: any Error) {
    if failure == nil { failure = error }
    changed()
  }

  private func duplicate(of key: [UInt8], in batch: [UInt8]) -> SQLError {
    guard let index else { return SQLError(.internalError, "a row was refused for another of its key") }
    var entries = ByteReader(batch)
    while !entries.isAtEnd, let found = try? entries.readBytes(), let value = try? entries.readBytes() {
      if found == key[...] {
        return IndexMessages.duplicate(table: table, index: index, entryValue: Array(value))
      }
    }
    return IndexMessages.duplicate(table: table, index: index, entryValue: [])
  }
}
