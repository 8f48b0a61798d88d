import Basics
import EventLoop
import PostgresClient

/// What is measured over the PostgreSQL wire protocol, the same for Theseus and for PostgreSQL.
@EventLoopActor struct SQLBench {
  let target: BenchTarget
  let rows: Int
  let duration: Duration
  private(set) var figures: [BenchFigure] = []

  static let clientCounts = [1, 8, 32]
  static let definitions = 30

  init(target: BenchTarget, rows: Int, duration: Duration) {
    self.target = target
    self.rows = rows
    self.duration = duration
  }

  mutating func run() async throws(PostgresClientError) {
    let connection = try await target.connect()
    defer { connection.close() }
    try await connection.query("CREATE TABLE bench (id int8 PRIMARY KEY, k int8 NOT NULL, v text NOT NULL)")
    try await load()
    for clients in Self.clientCounts { try await measureReads(clients) }
    for clients in Self.clientCounts { try await measureWrites(clients) }
    try await measureCreateTable(connection)
    try await measureAddColumn(connection)
    try await measureIndexBuild(connection, "bench_idle", underLoad: false)
    try await measureIndexBuild(connection, "bench_loaded", underLoad: true)
    try await connection.query("DROP TABLE bench")
  }

  private mutating func load() async throws(PostgresClientError) {
    let start = EventLoop.now
    let loader = BulkLoader(
      endpoints: target.endpoints, connections: 4, rowsPerStatement: 500, database: target.database)
    try await loader.load(into: "bench (id, k, v)", ids: 1...rows) {
      "(\($0), \($0 &* 7_919 % 1_000_003), 'value \($0)')"
    }
    let seconds = Double(EventLoop.now.nanoseconds - start.nanoseconds) / 1e9
    figures.append(BenchFigure("load by multi-row INSERT", Double(rows) / seconds, "rows/s"))
  }

  private func clients(_ count: Int, _ statement: String) async throws(PostgresClientError) -> [PostgresConnection] {
    var connections: [PostgresConnection] = []
    for number in 0..<count {
      let connection = try await target.connect(number)
      try await connection.prepare("statement", statement)
      connections.append(connection)
    }
    return connections
  }

  private mutating func measureReads(_ count: Int) async throws(PostgresClientError) {
    let connections = try await clients(count, "SELECT v FROM bench WHERE id = $1")
    let rows = self.rows
    let outcome = try await BenchLoop.run(lanes: count, for: duration) { lane, turn throws(PostgresClientError) in
      let id = (turn &* 7_919 &+ lane &* 104_729) % rows + 1
      let result = try await connections[lane].execute(prepared: "statement", ["\(id)"])
      if result.rows.count != 1 { throw .server(SQLError(.dataCorrupted, "row \(id) is not there")) }
    }
    for connection in connections { connection.close() }
    figures.append(BenchFigure("point reads, \(count) clients", outcome.perSecond, "/s", outcome.latencies))
  }

  private mutating func measureWrites(_ count: Int) async throws(PostgresClientError) {
    let connections = try await clients(count, "UPDATE bench SET v = $2 WHERE id = $1")
    let rows = self.rows
    let outcome = try await BenchLoop.run(lanes: count, for: duration) { lane, turn throws(PostgresClientError) in
      let id = (turn &* 7_919) % (rows / count) * count + lane + 1
      try await connections[lane].execute(prepared: "statement", ["\(id)", "turn \(turn)"])
    }
    for connection in connections { connection.close() }
    figures.append(BenchFigure("single-row writes, \(count) clients", outcome.perSecond, "/s", outcome.latencies))
  }

  private mutating func measureCreateTable(_ connection: PostgresConnection) async throws(PostgresClientError) {
    let latencies = try await timed { number throws(PostgresClientError) in
      try await connection.query("CREATE TABLE bench_\(number) (id int8 PRIMARY KEY, v text)")
    }
    figures.append(BenchFigure("CREATE TABLE", latencies.perSecond, "/s", latencies.latencies))
    for number in 0..<Self.definitions { try await connection.query("DROP TABLE bench_\(number)") }
  }

  private mutating func measureAddColumn(_ connection: PostgresConnection) async throws(PostgresClientError) {
    let latencies = try await timed { number throws(PostgresClientError) in
      try await connection.query("ALTER TABLE bench ADD COLUMN added_\(number) int8 DEFAULT \(number)")
    }
    figures.append(BenchFigure("ADD COLUMN with a default", latencies.perSecond, "/s", latencies.latencies))
    for number in 0..<Self.definitions { try await connection.query("ALTER TABLE bench DROP COLUMN added_\(number)") }
  }

  private func timed(
    _ body: @EventLoopActor (Int) async throws(PostgresClientError) -> Void
  ) async throws(PostgresClientError) -> BenchLoop.Outcome {
    var outcome = BenchLoop.Outcome()
    let start = EventLoop.now
    for number in 0..<Self.definitions {
      let before = EventLoop.now
      try await body(number)
      outcome.latencies.record(microseconds: (EventLoop.now.nanoseconds - before.nanoseconds) / 1_000)
      outcome.count += 1
    }
    outcome.seconds = Double(EventLoop.now.nanoseconds - start.nanoseconds) / 1e9
    return outcome
  }

  private mutating func measureIndexBuild(
    _ connection: PostgresConnection, _ name: String, underLoad: Bool
  ) async throws(PostgresClientError) {
    let (target, rows) = (self.target, self.rows)
    let load = underLoad ? Task { try await Self.load(target, rows: rows) } : nil
    if !target.isPostgres { try await connection.query("SET theseus.operation_id = '\(name)'") }
    let start = EventLoop.now
    try await connection.query("\(target.createIndex) \(name) ON bench (k)")
    let seconds = Double(EventLoop.now.nanoseconds - start.nanoseconds) / 1e9
    load?.cancel()
    _ = await load?.result
    let when = underLoad ? "under load" : "idle"
    figures.append(BenchFigure("index build \(when), whole statement", Double(rows) / seconds, "rows/s"))
    if !target.isPostgres, let job = try await DemoJob.find(name, on: connection),
      let milliseconds = job.backfillMilliseconds, milliseconds > 0
    {
      let perSecond = Double(job.rowsDone) * 1_000 / Double(milliseconds)
      figures.append(BenchFigure("index build \(when), backfill alone", perSecond, "rows/s"))
    }
  }

  /// Eight clients that read and update until cancelled.
  private static func load(_ target: BenchTarget, rows: Int) async throws(PostgresClientError) {
    var connections: [PostgresConnection] = []
    for number in 0..<8 { connections.append(try await target.connect(number)) }
    defer { for connection in connections { connection.close() } }
    var tasks: [Task<Void, Never>] = []
    for (lane, connection) in connections.enumerated() {
      tasks.append(
        Task { @EventLoopActor in
          var random = SeededGenerator(seed: UInt64(lane))
          while !Task.isCancelled, connection.isOpen {
            let id = Int.random(in: 0..<(rows / 8), using: &random) * 8 + lane + 1
            if Bool.random(using: &random) {
              _ = try? await connection.query("SELECT v FROM bench WHERE id = \(id)")
            } else {
              _ = try? await connection.query("UPDATE bench SET v = 'loaded' WHERE id = \(id)")
            }
          }
        })
    }
    while !Task.isCancelled { try? await EventLoop.sleep(for: .milliseconds(10)) }
    for task in tasks { task.cancel() }
    for task in tasks { await task.value }
  }
}
