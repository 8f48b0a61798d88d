import Basics
import EventLoop
import Glibc
import PostgresClient

/// `theseus demo`: a schema is rebuilt plank by plank on a real cluster while clients read and write.
@EventLoopActor enum DemoCommand {
  static let flags = FlagSet("demo", "Changes a schema under live traffic on a local cluster, and checks everything.")
    .option("directory", "D", "directory of the cluster (default: a new temporary one, removed at the end)")
    .option("programs", "DIR", "directory of the theseus-… programs (default: beside this one)")
    .option(
      "port-base", "P", default: "\(LocalCluster.defaultPortBase)", "SQL port of the first gateway; others follow"
    )
    .option("rows", "N", default: "200000", "rows of the table")
    .option("clients", "N", default: "8", "connections that read and write, spread over the gateways")
    .option("pause", "MS", default: "2", "milliseconds between two statements of a connection")
    .option("warm-up", "MS", default: "3000", "milliseconds of traffic measured before each change")
    .flag("keep", "leave the cluster running at the end")

  static func run(_ flags: FlagValues) async throws(ToolError) -> Int32 {
    let rows = try flags.integer("rows", in: 1_000...10_000_000)
    let clients = try flags.integer("clients", in: 1...200)
    let pause = Duration.milliseconds(try flags.integer("pause", in: 0...10_000))
    let warmUp = Duration.milliseconds(try flags.integer("warm-up", in: 100...600_000))
    let keeps = try flags.boolean("keep")
    let cluster = try await startCluster(flags)
    var isGood = false
    do throws(ToolError) {
      isGood = try await show(cluster, rows: rows, clients: clients, pause: pause, warmUp: warmUp)
    } catch {
      Console.error("theseus demo: \(error.message)")
    }
    if keeps {
      Console.line("\nThe cluster runs on; look around with")
      if let sql = cluster.sqlEndpoints.first { Console.line("  \(LocalCommand.psqlLine(sql))") }
      Console.line("and stop it with\n  theseus local stop --directory \(cluster.directory)")
    } else {
      try await cluster.stop()
      if flags.optional("directory") == nil, isGood { FileSystem.removeTree(cluster.directory) }
    }
    Console.line(isGood ? "\nAll of it holds." : "\nNOT everything holds; logs are in \(cluster.directory)/logs.")
    return isGood ? 0 : 1
  }

  private static func startCluster(_ flags: FlagValues) async throws(ToolError) -> LocalCluster {
    let directory: String
    if let given = flags.optional("directory") {
      directory = FileSystem.absolute(given)
    } else {
      directory = try FileSystem.temporaryDirectory("theseus-demo")
    }
    guard !FileSystem.exists("\(directory)/cluster.json") else {
      throw .usage("\(directory) holds a cluster already; the demo wants a new one")
    }
    try FileSystem.makeDirectory(directory)
    var shape = LocalCluster.Shape()
    shape.portBase = try flags.integer("port-base", in: 1_024...LocalCluster.maximumPortBase)
    let programs = flags.optional("programs").map { FileSystem.absolute($0) } ?? FileSystem.programDirectory
    let cluster = try LocalCluster.new(directory: directory, shape: shape, programDirectory: programs)
    let start = EventLoop.now
    do throws(ToolError) {
      try await cluster.start()
    } catch {
      try? await cluster.stop()
      throw error
    }
    Console.line(
      "cluster of \(cluster.members.count) processes ready after \(EventLoop.now.milliseconds(since: start)) ms "
        + "in \(directory)")
    return cluster
  }

  // MARK: - The show

  private static func show(
    _ cluster: LocalCluster, rows: Int, clients: Int, pause: Duration, warmUp: Duration
  ) async throws(ToolError) -> Bool {
    let endpoints = cluster.sqlEndpoints
    do throws(PostgresClientError) {
      try await load(endpoints, rows: rows)
    } catch {
      throw ToolError("loading failed: \(error)")
    }
    let traffic = DemoTraffic(rows: rows, endpoints: endpoints, clients: clients, pause: pause)
    traffic.start()
    var changes: [DemoChange] = []
    do throws(PostgresClientError) {
      for (number, template) in DemoChange.all.enumerated() {
        // Changes go through every gateway in turn.
        let connection = try await PostgresConnection.connect(to: endpoints[(number + 1) % endpoints.count])
        changes.append(
          await observe(template, "demo-\(number + 1)", on: connection, under: traffic, warmUp: warmUp))
        connection.close()
        switch template.promise {
        case .indexOfOwners: traffic.ownerIndexIsPublic = true
        case .indexOfNames: traffic.nameIndexIsPublic = true
        case nil: break
        }
      }
      traffic.beginWindow()
      try? await EventLoop.sleep(for: warmUp)
    } catch {
      throw ToolError("\(error)")
    }
    await traffic.stop()
    DemoReport.show(changes, traffic)
    var check = DemoCheck(model: traffic.model, endpoints: endpoints)
    do throws(PostgresClientError) {
      try await check.run()
    } catch {
      throw ToolError("the final check failed: \(error)")
    }
    Console.line("\nfull check")
    for line in check.lines { Console.line("  \(line)") }
    return check.isGood && traffic.total.failed == 0 && traffic.total.statements > 0
      && changes.allSatisfy { $0.error == nil }
  }

  private static func observe(
    _ template: DemoChange, _ operationID: String, on connection: PostgresConnection, under traffic: DemoTraffic,
    warmUp: Duration
  ) async -> DemoChange {
    var change = template
    traffic.beginWindow()
    try? await EventLoop.sleep(for: warmUp)
    change.before = traffic.currentWindow
    traffic.beginWindow()
    await change.run(on: connection, operationID: operationID)
    traffic.endWindow()
    // What was under way at the end still counts.
    try? await EventLoop.sleep(for: .milliseconds(200))
    change.during = traffic.currentWindow
    DemoReport.announce(change)
    return change
  }

  private static func load(_ endpoints: [Endpoint], rows: Int) async throws(PostgresClientError) {
    let connection = try await PostgresConnection.connect(to: endpoints[0])
    defer { connection.close() }
    try await connection.query(
      """
      CREATE TABLE ships (id int8 PRIMARY KEY, name text NOT NULL, owner int4 NOT NULL, balance int8 NOT NULL, \
      remark text, port text DEFAULT 'Piraeus')
      """)
    try await connection.query("CREATE TABLE owners (id int8 PRIMARY KEY)")
    try await connection.query(
      "INSERT INTO owners SELECT g FROM generate_series(0, \(DemoModel.ownerCount - 1)) g")
    let start = EventLoop.now
    let loader = BulkLoader(endpoints: endpoints, connections: 4, rowsPerStatement: 500)
    try await loader.load(into: "ships (id, name, owner, balance, remark)", ids: 1...rows) { id in
      let row = DemoModel.loadedRow(id)
      return "(\(id), '\(row.name)', \(row.owner), \(row.balance), 'of plank \(id % 97)')"
    }
    let milliseconds = max(1, EventLoop.now.milliseconds(since: start))
    Console.line(
      "table ships with \(rows) rows loaded in \(milliseconds) ms (\(rows * 1_000 / Int(milliseconds)) rows/s)")
  }
}
