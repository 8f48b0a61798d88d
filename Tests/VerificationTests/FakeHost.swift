import Basics
import Verification

/// A host for workloads over the fake, in virtual time.
final class FakeHost: WorkloadHost, @unchecked Sendable {
  let time: VirtualTime
  let database: FakeDatabase
  let seed: UInt64
  /// Of a hundred statements so many get no answer.
  var lostAnswers: Int
  private(set) var phases: [WorkloadPhase] = []

  init(_ time: VirtualTime, seed: UInt64, bugs: Set<Bug> = [], lostAnswers: Int = 0) {
    self.time = time
    self.seed = seed
    self.lostAnswers = lostAnswers
    database = FakeDatabase(seed: seed &+ 77, bugs: bugs)
  }

  var now: UInt64 { time.now }

  func pause(milliseconds: UInt64) async { await time.sleep(nanoseconds: milliseconds * 1_000_000) }

  func client(preferredGateway: Int) async -> any SQLClient { FakeClient(self) }

  func entered(_ phase: WorkloadPhase) async {
    phases.append(phase)
    if phase == .settling { lostAnswers = 0 }
  }

  /// Runs a mix over a fresh fake.
  static func run(_ mix: Mix, seed: UInt64, bugs: Set<Bug> = [], lostAnswers: Int = 0) -> MixReport {
    let time = VirtualTime()
    let host = FakeHost(time, seed: seed, bugs: bugs, lostAnswers: lostAnswers)
    return time.run { await mix.run(on: host) }
  }
}

/// One session with the fake: every statement takes a while before and after it happens, all at once, in one moment.
final class FakeClient: SQLClient, @unchecked Sendable {
  let host: FakeHost
  private let identity: Int
  private var transaction: FakeDatabase.Transaction?
  private var isFailed = false
  private var operation = ""
  private var lastJob: Int?

  init(_ host: FakeHost) {
    self.host = host
    identity = host.database.makeID()
  }

  private var database: FakeDatabase { host.database }

  func reconnect() async {
    end()
    await delay()
  }

  private func end() {
    transaction = nil
    isFailed = false
    operation = ""
    database.uncommitted[identity] = nil
  }

  private func delay() async {
    let microseconds = UInt64.random(in: 50...3000, using: &database.random)
    await host.time.sleep(nanoseconds: microseconds * 1000)
  }

  func execute(_ sql: String) async throws(WorkloadError) -> [[String?]] {
    await delay()
    let isLost = database.chance(host.lostAnswers)
    if isLost, database.chance(50) {
      end()
      throw .unknown("lost before")
    }
    var rows: [[String?]] = []
    if sql.contains("BEGIN; ") {
      // A message that ends the transaction it begins: schema changes.
      let parts = sql.split(separator: "BEGIN; ", maxSplits: 1, omittingEmptySubsequences: false)
      if !parts[0].isEmpty { _ = try await one(FakeStatement(String(parts[0].prefix { $0 != ";" }))) }
      let statements = parts[1].split(separator: "; ").dropLast().map { FakeStatement(String($0)) }
      defer { operation = "" }
      var change = FakeSchemaChange(host, statements, text: String(parts[1]), operation: operation)
      rows = try await change.run()
      lastJob = change.job
    } else {
      for statement in sql.split(separator: ";") {
        rows = try await one(FakeStatement(String(statement)))
      }
    }
    await delay()
    if isLost {
      end()
      throw .unknown("lost after")
    }
    return rows
  }

  private func one(_ statement: FakeStatement) async throws(WorkloadError) -> [[String?]] {
    do throws(WorkloadError) {
      return try await perform(statement)
    } catch {
      if transaction != nil { isFailed = true }
      throw error
    }
  }

  private func perform(_ statement: FakeStatement) async throws(WorkloadError) -> [[String?]] {
    var parser = statement
    switch parser.verb {
    case "BEGIN":
      if let moment = parser.moment {
        guard let past = database.state(at: moment) else { throw .failed(state: "72000", message: "too old") }
        transaction = FakeDatabase.Transaction(isRepeatable: true, snapshot: past)
      } else {
        transaction = database.begin(isRepeatable: statement.text.contains("REPEATABLE"))
      }
      return []
    case "ROLLBACK":
      end()
      return []
    case "COMMIT":
      defer { end() }
      if isFailed { return [] }
      let writes = transaction?.writes ?? []
      if !writes.isEmpty, database.has(.appliedThoughFailed, percent: 5) {
        try database.commit(writes)
        throw .failed(state: "40001", message: "a lie")
      }
      try database.commit(writes)
      return []
    case "SET":
      operation = parser.strings.first ?? ""
      return []
    case "CREATE", "ALTER", "DROP", "UNDROP", "REVERT", "TRUNCATE", "COMMENT":
      defer { operation = "" }
      var change = FakeSchemaChange(host, [statement], text: statement.text, operation: operation)
      let rows = try await change.run()
      lastJob = change.job
      return rows
    case "SHOW" where statement.text == "SHOW theseus.last_job": return [[lastJob.map { "\($0)" } ?? ""]]
    case "SHOW", "PAUSE", "RESUME", "CANCEL": return try FakeSchemaChange.control(&parser, database)
    case "SELECT" where statement.text.hasSuffix("cluster_logical_timestamp()"): return [["\(database.state.commit)"]]
    default: return try data(statement)
    }
  }

  private func data(_ statement: FakeStatement) throws(WorkloadError) -> [[String?]] {
    if isFailed { throw .failed(state: "25P02", message: "current transaction is aborted") }
    var query = FakeQuery(statement, database)
    let (rows, writes) = try query.run(in: database.view(transaction))
    if transaction == nil {
      if !writes.isEmpty, database.has(.appliedThoughFailed, percent: 3) {
        try database.commit(writes)
        throw .failed(state: "40001", message: "a lie")
      }
      try database.commit(writes)
    } else {
      transaction?.writes += writes
      database.uncommitted[identity] = transaction
    }
    return rows
  }
}
