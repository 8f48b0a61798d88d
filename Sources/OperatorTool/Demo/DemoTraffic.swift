import Basics
import EventLoop
import PostgresClient

/// Clients that read and write without pause, through all gateways, while the schema changes under them.
///
/// Each client writes only ids of its own residue class and reads everybody's, so conflicts between clients do not explain
/// a failed statement, and what a row must be is known at every moment.
@EventLoopActor final class DemoTraffic {
  /// Statements that overlapped one stretch of time.
  struct Tally: Sendable {
    var latencies = LatencyHistogram()
    var statements = 0
    var failed = 0
    /// Transactions of several statements that were told to begin again (40001), and did.
    var repeated = 0
  }

  private(set) var model: DemoModel
  /// Names of indexes that reads may count on.
  var ownerIndexIsPublic = false
  var nameIndexIsPublic = false

  private let endpoints: [Endpoint]
  private let clientCount: Int
  private let pause: Duration
  private var isStopping = false
  private var clients: [Task<Void, Never>] = []
  private(set) var failures: [String] = []
  private(set) var total = Tally()
  private var window = Tally()
  private var windowStart = EventLoop.now
  private var windowEnd: MonotonicTime?
  static let maximumFailuresKept = 20

  init(rows: Int, endpoints: [Endpoint], clients: Int, pause: Duration) {
    model = DemoModel(loadedRows: rows)
    self.endpoints = endpoints
    clientCount = clients
    self.pause = pause
  }

  func start() {
    for number in 0..<clientCount {
      clients.append(Task { @EventLoopActor in await self.run(number) })
    }
  }

  func stop() async {
    isStopping = true
    for client in clients { await client.value }
  }

  // MARK: - Counting

  /// From now on statements count for a new stretch of time.
  func beginWindow() {
    window = Tally()
    windowStart = EventLoop.now
    windowEnd = nil
  }

  /// Statements that begin from now on do not count; those under way do.
  func endWindow() { windowEnd = EventLoop.now }

  var currentWindow: Tally { window }

  private func count(from start: MonotonicTime, failure: String?) {
    let now = EventLoop.now
    let microseconds = (now.nanoseconds - min(start.nanoseconds, now.nanoseconds)) / 1_000
    func add(_ tally: inout Tally) {
      tally.statements += 1
      tally.latencies.record(microseconds: microseconds)
      if failure != nil { tally.failed += 1 }
    }
    add(&total)
    if windowEnd.map({ start <= $0 }) ?? true { add(&window) }
    if let failure, failures.count < Self.maximumFailuresKept { failures.append(failure) }
  }

  // MARK: - One client

  private func run(_ number: Int) async {
    var random = SeededGenerator(seed: UInt64(number) + 1)
    var nextID = model.loadedRows + 1 + number
    var connection: PostgresConnection?
    defer { connection?.close() }
    while !isStopping {
      do throws(PostgresClientError) {
        let open: PostgresConnection
        if let connection, connection.isOpen {
          open = connection
        } else {
          open = try await PostgresConnection.connect(to: endpoints[number % endpoints.count])
          connection = open
          try await prepare(open)
        }
        try await step(open, number, &random, &nextID)
      } catch {
        count(from: EventLoop.now, failure: "\(error)")
        try? await EventLoop.sleep(for: .milliseconds(100))
      }
      if pause > .zero { try? await EventLoop.sleep(for: pause) }
    }
  }

  private func prepare(_ connection: PostgresConnection) async throws(PostgresClientError) {
    try await connection.prepare("read", "SELECT name, owner::text, balance FROM ships WHERE id = $1")
    try await connection.prepare("rename", "UPDATE ships SET name = $2, owner = $3 WHERE id = $1")
    try await connection.prepare("insert", "INSERT INTO ships (id, name, owner, balance) VALUES ($1, $2, $3, $4)")
    try await connection.prepare("delete", "DELETE FROM ships WHERE id = $1")
  }

  private func step(
    _ connection: PostgresConnection, _ number: Int, _ random: inout SeededGenerator, _ nextID: inout Int
  ) async throws(PostgresClientError) {
    let own = ownLoadedID(number, &random)
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<45: await read(connection, Int.random(in: 1...model.loadedRows, using: &random))
    case 45..<52: await readWhole(connection, Int.random(in: 1...model.loadedRows, using: &random))
    case 52..<60: await lookUp(connection, own, &random)
    case 60..<78: await update(connection, own, Int.random(in: 0..<DemoModel.ownerCount, using: &random))
    case 78..<86:
      await insert(connection, nextID, Int.random(in: 0..<DemoModel.ownerCount, using: &random))
      nextID += clientCount
    case 86..<92: await delete(connection, own)
    default: await transfer(connection, own, ownLoadedID(number, &random))
    }
  }

  private func ownLoadedID(_ number: Int, _ random: inout SeededGenerator) -> Int {
    let choices = max(1, model.loadedRows / clientCount)
    return min(model.loadedRows, Int.random(in: 0..<choices, using: &random) * clientCount + number + 1)
  }

  /// Runs one statement and counts it; answers nil when it failed.
  private func attempt(
    _ what: String, _ body: () async throws(PostgresClientError) -> PostgresResult
  ) async -> PostgresResult? {
    let start = EventLoop.now
    do throws(PostgresClientError) {
      let result = try await body()
      count(from: start, failure: nil)
      return result
    } catch {
      count(from: start, failure: "\(what): \(error)")
      return nil
    }
  }

  private func countRepetition() {
    total.repeated += 1
    window.repeated += 1
  }

  /// An answer that contradicts what is known counts as a failed statement, too.
  private func complain(_ text: String) {
    total.failed += 1
    window.failed += 1
    if failures.count < Self.maximumFailuresKept { failures.append(text) }
  }
}

// MARK: - Reads

extension DemoTraffic {
  private func read(_ connection: PostgresConnection, _ id: Int) async {
    guard
      let result = await attempt(
        "read", { () async throws(PostgresClientError) in try await connection.execute(prepared: "read", ["\(id)"]) })
    else { return }
    if result.rows.count > 1 { complain("row \(id) is there \(result.rows.count) times") }
    if let name = result.rows.first?.first ?? nil, !name.hasPrefix("ship-\(id)") {
      complain("row \(id) is called \(name)")
    }
  }

  /// All columns, whichever there are right now.
  private func readWhole(_ connection: PostgresConnection, _ id: Int) async {
    guard
      let result = await attempt(
        "read all columns",
        { () async throws(PostgresClientError) in try await connection.query("SELECT * FROM ships WHERE id = \(id)") })
    else { return }
    if let row = result.rows.first, result.value("id", in: row) != "\(id)" { complain("asked for \(id), got \(row)") }
  }

  /// By a secondary index, once it is public; an own row must be found by the values last acknowledged.
  private func lookUp(_ connection: PostgresConnection, _ id: Int, _ random: inout SeededGenerator) async {
    guard let row = model[id], !model.uncertain.contains(id) else { return await read(connection, id) }
    let byName = Bool.random(using: &random)
    guard byName ? nameIndexIsPublic : ownerIndexIsPublic else { return await read(connection, id) }
    let condition = byName ? "name = '\(row.name)'" : "owner = \(row.owner)"
    guard
      let result = await attempt(
        "look up \(condition)",
        { () async throws(PostgresClientError) in
          try await connection.query("SELECT id FROM ships WHERE \(condition)")
        })
    else { return }
    if !result.rows.contains(["\(id)"]) { complain("row \(id) is not found by \(condition)") }
  }
}

// MARK: - Writes

extension DemoTraffic {
  private func finish(_ id: Int, _ row: DemoModel.Row?, _ result: PostgresResult?) {
    guard let result else { return model.forget(id) }
    if result.affectedRows != 1 { complain("row \(id): \(result.commandTag)") }
    model.acknowledge(id, row)
  }

  private func update(_ connection: PostgresConnection, _ id: Int, _ owner: Int) async {
    guard var row = model[id] else { return await insert(connection, id, owner) }
    row.owner = owner
    row.name = "ship-\(id)-\(owner)"
    let result = await attempt("update") { () async throws(PostgresClientError) in
      try await connection.execute(prepared: "rename", ["\(id)", row.name, "\(owner)"])
    }
    finish(id, row, result)
  }

  private func insert(_ connection: PostgresConnection, _ id: Int, _ owner: Int) async {
    let row = DemoModel.Row(name: "ship-\(id)-new", owner: owner, balance: 50)
    let result = await attempt("insert") { () async throws(PostgresClientError) in
      try await connection.execute(prepared: "insert", ["\(id)", row.name, "\(row.owner)", "\(row.balance)"])
    }
    finish(id, row, result)
  }

  private func delete(_ connection: PostgresConnection, _ id: Int) async {
    guard model[id] != nil else { return await insert(connection, id, id % DemoModel.ownerCount) }
    let result = await attempt("delete") { () async throws(PostgresClientError) in
      try await connection.execute(prepared: "delete", ["\(id)"])
    }
    finish(id, nil, result)
  }

  /// Two rows in one transaction of four statements, which clients have to begin again when they are told so.
  private func transfer(_ connection: PostgresConnection, _ from: Int, _ to: Int) async {
    guard from != to, var source = model[from], var target = model[to] else { return await read(connection, from) }
    source.balance -= 1
    target.balance += 1
    while true {
      switch await tryTransfer(connection, from, to) {
      case .done:
        model.acknowledge(from, source)
        model.acknowledge(to, target)
        return
      case .refused: countRepetition()
      case .failed: return
      case .unknown:
        model.forget(from)
        model.forget(to)
        return
      }
    }
  }

  private enum TransferOutcome { case done, refused, failed, unknown }

  private func tryTransfer(_ connection: PostgresConnection, _ from: Int, _ to: Int) async -> TransferOutcome {
    let statements = [
      "BEGIN", "UPDATE ships SET balance = balance - 1 WHERE id = \(from)",
      "UPDATE ships SET balance = balance + 1 WHERE id = \(to)", "COMMIT",
    ]
    for statement in statements {
      let start = EventLoop.now
      do throws(PostgresClientError) {
        let result = try await connection.query(statement)
        count(from: start, failure: nil)
        if statement.hasPrefix("UPDATE"), result.affectedRows != 1 { complain("\(statement): \(result.commandTag)") }
        if statement == "COMMIT", result.commandTag == "ROLLBACK" { return .failed }
      } catch {
        let isRefused = error.state == .serializationFailure
        count(from: start, failure: isRefused ? nil : "in a transaction, \(statement): \(error)")
        if !isRefused, statement == "COMMIT" { return .unknown }
        if statement != "COMMIT", connection.isOpen { _ = try? await connection.query("ROLLBACK") }
        return isRefused ? .refused : .failed
      }
    }
    return .done
  }
}
