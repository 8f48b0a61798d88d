import EventLoop
import PostgresClient

/// `theseus bench ddl`: schema changes by the second, and what a gateway pays for many tables.
@EventLoopActor enum DDLBenchCommand {
  static let flags = FlagSet(
    "bench ddl", "Measures schema changes of a running cluster, and gateways with many tables."
  )
  .option("url", "URL", "a gateway, or several with commas: postgresql://root@127.0.0.1:26257/defaultdb")
  .option("directory", "D", "instead: directory of a local cluster; also measures memory and start of its gateways")
  .option("clients", "N,…", default: "1,8,32", "numbers of clients to measure with")
  .option("seconds", "N", default: "3", "length of each measurement")
  .option("statements", "N", "instead of a length: number of statements in each measurement")
  .option("tables", "N", default: "0", "also create so many tables, then measure a gateway with them")
  .flag("keep", "leave the tables; else they are dropped at the end")

  static let maximumClients = 256
  static let maximumTables = 90_000

  static func run(_ flags: FlagValues) async throws(ToolError) -> Int32 {
    var cluster: LocalCluster?
    let target: BenchTarget
    switch (flags.optional("url"), flags.optional("directory")) {
    case (let text?, nil):
      let url = try PostgresURL(text)
      target = BenchTarget(endpoints: url.endpoints, database: url.database)
    case (nil, let directory?):
      let opened = try LocalCluster.open(directory: directory)
      cluster = opened
      target = BenchTarget(endpoints: opened.sqlEndpoints)
    case (nil, nil): throw .usage("--url or --directory is missing")
    case (_?, _?): throw .usage("--url and --directory do not go together")
    }
    guard !target.endpoints.isEmpty else { throw ToolError("the cluster has no gateway") }
    let clients = try clientCounts(try flags.string("clients"))
    let tables = try flags.integer("tables", in: 0...maximumTables)
    var length = DDLBench.Length.time(.seconds(try flags.integer("seconds", in: 1...600)))
    if flags.optional("statements") != nil {
      length = .statements(try flags.integer("statements", in: 1...1_000_000))
    }
    let isKept = try flags.boolean("keep")

    let many = ManyTablesBench(target: target, cluster: cluster, count: tables, length: length)
    var bench = DDLBench(target: target, length: length)
    do throws(PostgresClientError) {
      try await bench.measure(clients)
    } catch {
      throw ToolError("measuring schema changes: \(error)")
    }
    Console.line(Console.table(bench.rows))
    if tables > 0 {
      let rows = try await many.measure(&bench, clients: clients.max() ?? 1)
      Console.line("\n" + Console.table(rows))
      if cluster == nil { Console.line("memory and start of gateways are measured with --directory only") }
    }
    if isKept { return 0 }
    do throws(PostgresClientError) {
      try await bench.dropTables(clients: clients.max() ?? 1)
    } catch {
      throw ToolError("dropping the tables: \(error)")
    }
    return 0
  }

  private static func clientCounts(_ text: String) throws(ToolError) -> [Int] {
    var counts: [Int] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let count = Int(part.trimmed), (1...maximumClients).contains(count) else {
        throw .usage("--clients must be numbers from 1 to \(maximumClients) with commas, not \"\(text)\"")
      }
      counts.append(count)
    }
    return counts
  }
}
