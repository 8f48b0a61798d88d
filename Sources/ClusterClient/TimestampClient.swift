import Basics
import EventLoop
import RPC
import Wire

/// A timestamp to read at. The catalog has applied `schemaIndex` when the client hands it out.
public struct ReadTimestamp: Hashable, Sendable {
  public let timestamp: Timestamp
  public let schemaIndex: SchemaIndex
  /// Above `timestamp`, if one was asked for with it and granted.
  public var commit: Timestamp?
}

public enum CommitTimestamp: Hashable, Sendable {
  case granted(Timestamp)
  /// The table has moved on: what was written with the pinned version may not commit any more.
  case refused(TableID, floor: TableVersion)
}

/// Asks the timestamp oracle: one request in flight, carrying everything that was asked since the last one.
@EventLoopActor public final class TimestampClient {
  private struct Read {
    /// The transaction's commit timestamp, asked for at once.
    let commit: CommitTimestampRequest?
    let deadline: MonotonicTime
    let completion: @EventLoopActor (Result<ReadTimestamp, SQLError>) -> Void
  }

  private struct Commit {
    let request: CommitTimestampRequest
    let epoch: SessionEpoch?
    let deadline: MonotonicTime
    let completion: @EventLoopActor (Result<CommitTimestamp, SQLError>) -> Void
  }

  private let connection: MetadataConnection
  private var reads: [Read] = []
  private var commits: [Commit] = []
  private var isInFlight = false
  private var isScheduled = false

  /// Requests sent and timestamps got, for metrics.
  public private(set) var requestCount = 0
  public private(set) var timestampCount = 0

  public init(_ connection: MetadataConnection) {
    self.connection = connection
    connection.onSessionStarted { [weak self] in self?.schedule() }
    connection.onSessionLost { [weak self] in self?.failCommits() }
  }

  /// `commitPins`: also asks for a commit timestamp above the read timestamp, for writes with these versions: one exchange
  /// for both timestamps of a statement that is a transaction of its own. It is refused as any other is, and then missing.
  public func read(
    deadline: MonotonicTime, commitPins: [TablePin] = [],
    _ completion: @escaping @EventLoopActor (Result<ReadTimestamp, SQLError>) -> Void
  ) {
    let commit = commitPins.isEmpty ? nil : CommitTimestampRequest(pins: commitPins, followsReads: true)
    reads.append(Read(commit: commit, deadline: deadline, completion: completion))
    schedule()
  }

  public func read(deadline: MonotonicTime, commitPins: [TablePin] = []) async throws(SQLError) -> ReadTimestamp {
    let result: Result<ReadTimestamp, SQLError> = await withUnsafeContinuation { continuation in
      read(deadline: deadline, commitPins: commitPins) { continuation.resume(returning: $0) }
    }
    return try result.get()
  }

  /// `pins`: the oldest version each written table was written with.
  public func commit(
    pins: [TablePin], minimum: Timestamp, deadline: MonotonicTime,
    _ completion: @escaping @EventLoopActor (Result<CommitTimestamp, SQLError>) -> Void
  ) {
    let request = CommitTimestampRequest(pins: pins, minimum: minimum.rawValue)
    commits.append(
      Commit(request: request, epoch: connection.sessionEpoch, deadline: deadline, completion: completion))
    schedule()
  }

  public func commit(
    pins: [TablePin], minimum: Timestamp, deadline: MonotonicTime
  ) async throws(SQLError) -> CommitTimestamp {
    let result: Result<CommitTimestamp, SQLError> = await withUnsafeContinuation { continuation in
      commit(pins: pins, minimum: minimum, deadline: deadline) { continuation.resume(returning: $0) }
    }
    return try result.get()
  }

  // MARK: - Sending

  private func schedule() {
    if isScheduled || isInFlight { return }
    isScheduled = true
    EventLoop.endOfTurn { [weak self] in
      guard let self else { return }
      self.isScheduled = false
      self.send()
    }
  }

  private func send() {
    guard !isInFlight, !(reads.isEmpty && commits.isEmpty) else { return }
    guard let epoch = connection.sessionEpoch else { return waitForSession() }
    // The oracle may limit a block; what does not fit goes with the next request.
    let sentReads = Array(reads.prefix(Self.maximumReadsPerRequest))
    let sentCommits = Array(commits.prefix(Self.maximumCommitsPerRequest))
    reads.removeFirst(sentReads.count)
    commits.removeFirst(sentCommits.count)
    let request = TimestampsRequest(
      nodeID: connection.nodeID.rawValue, sessionEpoch: epoch.rawValue,
      appliedSchemaIndex: connection.appliedSchemaIndex.rawValue, readCount: UInt32(sentReads.count),
      commits: sentCommits.map(\.request) + sentReads.compactMap(\.commit))
    isInFlight = true
    let askedAt = EventLoop.observer?.now ?? 0
    requestCount += 1
    let basis = connection.appliedSchemaIndex
    if !sentReads.isEmpty { connection.pins.expectTimestamps(at: basis) }
    var deadline = MonotonicTime(nanoseconds: 0)
    for read in sentReads { deadline = max(deadline, read.deadline) }
    for commit in sentCommits { deadline = max(deadline, commit.deadline) }
    connection.call(MetadataService.timestamps, request, deadline: deadline, inBatch: true) { [weak self] result in
      guard let self else { return }
      self.isInFlight = false
      if let observer = EventLoop.observer, case .success(let response) = result, response.outcome == .granted {
        response.observe(by: observer, readCount: sentReads.count, askedAt: askedAt)
      }
      self.receive(result, sentReads, sentCommits, epoch)
      if !sentReads.isEmpty { self.endExpectation(at: basis) }
      if !(self.reads.isEmpty && self.commits.isEmpty) { self.schedule() }
    }
  }

  public static let maximumReadsPerRequest = 4096
  public static let maximumCommitsPerRequest = 1024

  private func receive(
    _ result: Result<TimestampsResponse, RPCError>, _ sentReads: [Read], _ sentCommits: [Commit], _ epoch: SessionEpoch
  ) {
    switch result {
    case .failure(let error):
      let failure = SQLError(.cannotConnectNow, "no timestamp from the metadata service", detail: error.message)
      for read in sentReads { read.completion(.failure(failure)) }
      for commit in sentCommits { commit.completion(.failure(failure)) }
    case .success(let response):
      switch response.outcome {
      case .granted: grant(response, sentReads, sentCommits)
      case .sessionUnknown:
        reads.insert(contentsOf: sentReads, at: 0)
        commits.insert(contentsOf: sentCommits, at: 0)
        connection.endSession(epoch)
      case .fenced:
        Probes.reached(.nodeFenced)
        reads.insert(contentsOf: sentReads, at: 0)
        commits.insert(contentsOf: sentCommits, at: 0)
        waitUntilCaughtUp(SchemaIndex(response.requiredSchemaIndex))
      case .unrecognized:
        let failure = SQLError(.internalError, "the metadata service answered in a way this release does not know")
        for read in sentReads { read.completion(.failure(failure)) }
        for commit in sentCommits { commit.completion(.failure(failure)) }
      }
    }
  }

  private func grant(_ response: TimestampsResponse, _ sentReads: [Read], _ sentCommits: [Commit]) {
    timestampCount += sentReads.count + sentCommits.count
    let schemaIndex = SchemaIndex(response.schemaIndex)
    if !sentReads.isEmpty {
      let first = response.firstReadTimestamp
      let isApplied = connection.appliedSchemaIndex >= schemaIndex
      var nextCommit = sentCommits.count
      for (offset, read) in sentReads.enumerated() {
        let timestamp = Timestamp(rawValue: first &+ UInt64(offset))
        var granted = ReadTimestamp(timestamp: timestamp, schemaIndex: schemaIndex)
        if read.commit != nil, nextCommit < response.commits.count {
          let commit = Timestamp(rawValue: response.commits[nextCommit].timestamp)
          nextCommit += 1
          // Not so from a release that does not know of commits that follow reads, nor when it was refused.
          if commit > timestamp { granted.commit = commit }
        }
        if isApplied {
          read.completion(.success(granted))
          continue
        }
        connection.whenApplied(schemaIndex, deadline: read.deadline) { [granted] applied in
          read.completion(
            applied
              ? .success(granted)
              : .failure(
                SQLError(.cannotConnectNow, "schema entry \(schemaIndex) has not reached this gateway in time")))
        }
      }
    }
    for (position, commit) in sentCommits.enumerated() {
      guard position < response.commits.count else {
        commit.completion(.failure(SQLError(.internalError, "a commit timestamp is missing in the oracle's answer")))
        continue
      }
      settle(commit, response.commits[position])
    }
  }

  /// Whoever has got a timestamp uses it, and pins what it stands on, in this turn; those who wait for their catalog wait for
  /// an entry that is not applied, so cannot be acknowledged either.
  private func endExpectation(at index: SchemaIndex) {
    EventLoop.endOfTurn { [connection] in connection.pins.endExpectation(at: index) }
  }

  private func settle(_ commit: Commit, _ answer: CommitTimestampResponse) {
    if answer.timestamp == 0 {
      Probes.reached(.commitRefusedByFloor)
      commit.completion(
        .success(.refused(TableID(answer.refusedTableID), floor: TableVersion(answer.commitFloor))))
      return
    }
    let granted = Timestamp(rawValue: answer.timestamp)
    let minimum = Timestamp(rawValue: commit.request.minimum)
    if granted >= minimum { return commit.completion(.success(.granted(granted))) }
    // The minimum lies further ahead than the oracle goes for anybody: wait until the clock has caught up.
    let missing = minimum.physicalMilliseconds - granted.physicalMilliseconds + 1
    let now = EventLoop.now
    guard missing <= ClientLimits.commitMinimumWaitMilliseconds, missing < commit.deadline.millisecondsLeft(at: now)
    else {
      commit.completion(
        .failure(SQLError(.serializationFailure, "could not get a commit timestamp late enough", hint: "Try again.")))
      return
    }
    Timer.once(after: .milliseconds(Int64(missing))) { [weak self] in
      guard let self else { return }
      self.commits.append(commit)
      self.schedule()
    }
  }

  // MARK: - Without a session

  private func failCommits() {
    let failed = commits
    if !failed.isEmpty { Probes.reached(.commitsLostWithSession) }
    commits = []
    let error = SQLError(
      .serializationFailure, "the gateway's session with the metadata service ended before the commit",
      hint: "Try the transaction again.")
    for commit in failed { commit.completion(.failure(error)) }
  }

  private func waitForSession() {
    Timer.once(after: .milliseconds(20)) { [weak self] in
      guard let self else { return }
      self.expire()
      if !self.isInFlight { self.send() }
    }
  }

  private func waitUntilCaughtUp(_ index: SchemaIndex) {
    isInFlight = true
    connection.whenApplied(index, deadline: EventLoop.now.advanced(byMilliseconds: 1_000)) { [weak self] _ in
      guard let self else { return }
      self.isInFlight = false
      self.expire()
      self.schedule()
    }
  }

  private func expire() {
    let now = EventLoop.now
    let failure = SQLError(
      .cannotConnectNow, "this gateway has no session with the metadata service", hint: "Try again in a moment.")
    let lateReads = reads.filter { $0.deadline <= now }
    let lateCommits = commits.filter { $0.deadline <= now }
    reads.removeAll { $0.deadline <= now }
    commits.removeAll { $0.deadline <= now }
    for read in lateReads { read.completion(.failure(failure)) }
    for commit in lateCommits { commit.completion(.failure(failure)) }
  }
}

extension TimestampsResponse {
  @EventLoopActor fileprivate func observe(by observer: any NodeObserver, readCount: Int, askedAt: UInt64) {
    if readCount > 0 { observer.granted(first: firstReadTimestamp, count: UInt64(readCount), askedAt: askedAt) }
    for commit in commits where commit.timestamp > 0 {
      observer.granted(first: commit.timestamp, count: 1, askedAt: askedAt)
    }
  }
}
