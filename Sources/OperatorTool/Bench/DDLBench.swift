import Basics
import EventLoop
import PostgresClient

/// CREATE TABLE and ADD COLUMN from several clients at once, each on tables of its own.
@EventLoopActor struct DDLBench {
  enum Length: Hashable, Sendable {
    case time(Duration)
    /// Together, over all clients.
    case statements(Int)
  }

  /// Columns that are added to one table; then the client's next table has its turn.
  private static let columnsPerTable = 200

  let target: BenchTarget
  let length: Length
  /// Tables of another run do not stand in the way.
  private let prefix = "bench_\(String(UInt32.random(in: .min ... .max), radix: 36))"
  private(set) var tables: [String] = []
  private(set) var rows = [["statement", "clients", "per second", "p50", "p99", "schema-log steps each"]]

  init(target: BenchTarget, length: Length) {
    self.target = target
    self.length = length
  }

  mutating func measure(_ clientCounts: [Int]) async throws(PostgresClientError) {
    for clients in clientCounts {
      let first = tables.count
      let before = try await schemaIndex()
      let created = try await createTables(clients, length)
      let between = try await schemaIndex()
      addRow("CREATE TABLE", clients, created, steps: between - before)
      let added = try await addColumns(clients, Array(tables[first...]))
      addRow("ADD COLUMN", added.lanes, added.outcome, steps: try await schemaIndex() - between)
    }
  }

  mutating func createTables(_ clients: Int, _ length: Length) async throws(PostgresClientError) -> BenchLoop.Outcome {
    let (first, prefix) = (tables.count, self.prefix)
    let outcome = try await DDLClients(target, clients).run(length) { _, _, number in
      "CREATE TABLE \(prefix)_\(first + number) (id int8 PRIMARY KEY, v text)"
    }
    tables += (0..<outcome.count).map { "\(prefix)_\(first + $0)" }
    return outcome
  }

  /// Nobody queues behind another's change: each client has tables of its own.
  private func addColumns(
    _ clients: Int, _ tables: [String]
  ) async throws(PostgresClientError) -> (lanes: Int, outcome: BenchLoop.Outcome) {
    let lanes = min(clients, tables.count)
    let outcome = try await DDLClients(target, lanes).run(length) { lane, turn, _ in
      let own = tables.count / lanes
      let (round, column) = turn.quotientAndRemainder(dividingBy: Self.columnsPerTable)
      let table = tables[round % own * lanes + lane]
      return "ALTER TABLE \(table) ADD COLUMN c\(round / own * Self.columnsPerTable + column) int8 DEFAULT \(turn)"
    }
    return (lanes, outcome)
  }

  func dropTables(clients: Int) async throws(PostgresClientError) {
    let tables = self.tables
    _ = try await DDLClients(target, clients).run(.statements(tables.count)) { _, _, number in
      "DROP TABLE \(tables[number])"
    }
  }

  private func schemaIndex() async throws(PostgresClientError) -> Int {
    let connection = try await target.connect()
    defer { connection.close() }
    let index = try await connection.query("SELECT theseus.wait_for_schema_agreement()").scalar
    guard let index = index.flatMap({ Int($0) }) else {
      throw .server(SQLError(.protocolViolation, "the schema index is no number"))
    }
    return index
  }

  private mutating func addRow(_ name: String, _ clients: Int, _ outcome: BenchLoop.Outcome, steps: Int) {
    rows.append([
      name, "\(clients)", LatencyHistogram.decimals(outcome.perSecond, 1),
      LatencyHistogram.text(outcome.latencies.quantile(0.5)), LatencyHistogram.text(outcome.latencies.quantile(0.99)),
      LatencyHistogram.decimals(Double(steps) / Double(max(1, outcome.count)), 2),
    ])
  }
}

/// Sessions that send one statement after another.
@EventLoopActor struct DDLClients {
  private let target: BenchTarget
  private let count: Int

  init(_ target: BenchTarget, _ count: Int) {
    self.target = target
    self.count = count
  }

  /// Hands out numbers of statements until the measurement is over.
  @EventLoopActor private final class Supply {
    private let length: DDLBench.Length
    private let start = EventLoop.now
    private var given = 0

    init(_ length: DDLBench.Length) { self.length = length }

    func next() -> Int? {
      switch length {
      case .time(let duration):
        guard EventLoop.now.milliseconds(since: start) < duration.wholeMilliseconds else { return nil }
      case .statements(let count):
        guard given < count else { return nil }
      }
      given += 1
      return given - 1
    }

  }

  /// - Parameter statement: of a client, its turn, and the number over all clients, each from 0.
  func run(
    _ length: DDLBench.Length, _ statement: @escaping @EventLoopActor @Sendable (Int, Int, Int) -> String
  ) async throws(PostgresClientError) -> BenchLoop.Outcome {
    var connections: [PostgresConnection] = []
    defer { for connection in connections { connection.close() } }
    for number in 0..<count { connections.append(try await target.connect(number)) }
    let supply = Supply(length)
    let start = EventLoop.now
    var tasks: [Task<Result<LatencyHistogram, PostgresClientError>, Never>] = []
    for (lane, connection) in connections.enumerated() {
      tasks.append(
        Task { @EventLoopActor in
          var latencies = LatencyHistogram()
          var turn = 0
          while let number = supply.next() {
            let before = EventLoop.now
            do throws(PostgresClientError) {
              try await connection.query(statement(lane, turn, number))
            } catch {
              return .failure(error)
            }
            latencies.record(microseconds: (EventLoop.now.nanoseconds - before.nanoseconds) / 1_000)
            turn += 1
          }
          return .success(latencies)
        })
    }
    var outcome = BenchLoop.Outcome()
    var failure: PostgresClientError?
    for task in tasks {
      switch await task.value {
      case .success(let latencies): outcome.latencies.merge(latencies)
      case .failure(let error): failure = error
      }
    }
    if let failure { throw failure }
    outcome.count = Int(clamping: outcome.latencies.count)
    outcome.seconds = Double(EventLoop.now.nanoseconds - start.nanoseconds) / 1e9
    return outcome
  }
}
