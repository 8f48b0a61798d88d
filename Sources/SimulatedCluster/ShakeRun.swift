import EventLoop
import PostgresClient
import Simulation

/// A cluster under traffic while its hosts die, stop and lose each other: what was acknowledged must be there afterwards.
/// The past is given up after three seconds, so that sweeps meet schema changes, faults and each other.
@EventLoopActor public final class ShakeRun {
  private let world: Simulation
  private let cluster: SimulatedCluster
  private let duration: Duration
  private var random = EventLoop.random
  private var isOver = false
  private var acknowledged: Set<Int> = []
  private var attempted: Set<Int> = []
  private var nextID = 0
  private var failures: [String: Int] = [:]

  public init(_ world: Simulation, duration: Duration) {
    self.world = world
    self.duration = duration
    var shape = ClusterShape()
    shape.flags = [.metadata: ["--garbage-retention", "3s"], .storage: ["--garbage-rest", "1s"]]
    cluster = SimulatedCluster(world, shape)
  }

  public func run(note: @EventLoopActor (String) -> Void) async throws {
    cluster.start()
    guard await cluster.ready(limit: .seconds(60)) else { throw notReady }
    try await cluster.connect(gateway: 0).query("CREATE TABLE cargo (id int8 PRIMARY KEY, gateway int8)")
    var clients: [Task<Void, Never>] = []
    for number in 0..<4 { clients.append(EventLoop.task { await self.insert(number) }) }
    clients.append(EventLoop.task { await self.changeSchema() })
    let end = world.clock + UInt64(duration.components.seconds) * 1_000_000_000
    while world.clock < end { await oneFault(note) }
    world.network.healAll()
    for node in cluster.nodes {
      node.host.resume()
      if !node.host.isRunning { node.start() }
    }
    isOver = true
    for client in clients { await client.value }
    guard await cluster.ready(limit: .seconds(60)) else { throw notReady }
    note(
      "\(acknowledged.count) of \(attempted.count) inserts acknowledged; failures: \(failures.sorted { $0.key < $1.key })"
    )
    try await check()
    for node in cluster.nodes(.storage) {
      let cells = node.disk.entries(in: "data", of: "/data/rocksdb").count
      note(
        "\(node.name) has \(cells) versions, \(node.disk.entries(in: "transactions", of: "/data/rocksdb").count) records"
      )
    }
  }

  private var notReady: RunFailure { RunFailure("not ready: \(cluster.nodes.filter { !$0.isReady }.map(\.name))") }

  private func oneFault(_ note: @EventLoopActor (String) -> Void) async {
    let node = cluster.nodes[Int.random(in: 0..<cluster.nodes.count, using: &random)]
    let length = Duration.milliseconds(Int.random(in: 100...4000, using: &random))
    switch Int.random(in: 0..<5, using: &random) {
    case 0:
      note("kill \(node.name)")
      node.host.kill()
      await world.run(for: length)
      node.start()
    case 1:
      note("power-off \(node.name)")
      node.host.kill(.machine)
      await world.run(for: length)
      node.start()
    case 2:
      note("pause \(node.name)")
      node.host.pause()
      await world.run(for: length)
      node.host.resume()
    case 3:
      note("isolate \(node.name)")
      world.network.isolate([node.host])
      await world.run(for: length)
      world.network.healAll()
    default:
      let other = cluster.nodes[Int.random(in: 0..<cluster.nodes.count, using: &random)]
      note("reset \(node.name) = \(other.name)")
      world.network.resetConnections(between: node.host, and: other.host)
    }
    await world.run(for: .milliseconds(Int.random(in: 0...3000, using: &random)))
  }

  private func insert(_ number: Int) async {
    var connection: PostgresConnection?
    while !isOver {
      guard let open = connection, open.isOpen else {
        connection = try? await cluster.connect(gateway: number)
        if connection == nil { await world.run(for: .milliseconds(100)) }
        continue
      }
      nextID += 1
      let id = nextID
      attempted.insert(id)
      let timer = Timer.once(after: .seconds(20)) { open.close("no answer in 20 s") }
      do throws(PostgresClientError) {
        try await open.query("INSERT INTO cargo (id, gateway) VALUES (\(id), \(number))")
        acknowledged.insert(id)
        try await open.query("UPDATE cargo SET gateway = gateway + 1 WHERE id % 7 = \(id % 7) AND id > \(id - 40)")
      } catch {
        failures[error.state.map { "\($0)" } ?? "connection", default: 0] += 1
      }
      timer.cancel()
      await world.run(for: .milliseconds(20))
    }
    connection?.close()
  }

  private func changeSchema() async {
    var connection: PostgresConnection?
    var hasIndex = false
    while !isOver {
      guard let open = connection, open.isOpen else {
        connection = try? await cluster.connect(gateway: 0)
        if connection == nil { await world.run(for: .milliseconds(100)) }
        continue
      }
      let timer = Timer.once(after: .seconds(60)) { open.close("no answer in 60 s") }
      do throws(PostgresClientError) {
        try await open.query(
          hasIndex
            ? "DROP INDEX IF EXISTS cargo_gateway" : "CREATE INDEX IF NOT EXISTS cargo_gateway ON cargo (gateway)")
        hasIndex.toggle()
      } catch {
        failures["ddl " + (error.state.map { "\($0)" } ?? "connection"), default: 0] += 1
      }
      timer.cancel()
      await world.run(for: .milliseconds(500))
    }
    connection?.close()
  }

  private func check() async throws {
    let connection = try await cluster.connect(gateway: 0)
    let rows = try await connection.query("SELECT id FROM cargo ORDER BY id").rows
    let found = Set(rows.compactMap { $0.first.flatMap { $0 }.flatMap { Int($0) } })
    let lost = acknowledged.subtracting(found).sorted()
    if !lost.isEmpty { throw RunFailure("acknowledged rows are lost: \(lost.prefix(20))") }
    if !found.isSubset(of: attempted) || found.count != rows.count { throw RunFailure("rows nobody wrote") }
    let indexes = try await connection.query("CHECK TABLE cargo")
    for row in indexes.rows where indexes.value("ok", in: row) != "t" { throw RunFailure("an index is wrong: \(row)") }
  }
}
