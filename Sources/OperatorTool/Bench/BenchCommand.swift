import EventLoop
import Glibc
import PostgresClient
import RPC

/// `theseus bench`: whole processes, measured from outside.
@EventLoopActor enum BenchCommand {
  static let flags = FlagSet("bench", "Measures a local cluster, and PostgreSQL beside it.")
    .option("directory", "D", "measure the cluster that runs there (default: start one and stop it again)")
    .option("programs", "DIR", "directory of the theseus-… programs (default: beside this one)")
    .option("port-base", "P", default: "27257", "SQL port of the first gateway of a cluster started for this")
    .option("postgres", "HOST:PORT", "also measure PostgreSQL there (user root, database defaultdb)")
    .flag("postgres-only", "measure nothing but PostgreSQL")
    .option("rows", "N", default: "200000", "rows of the table")
    .option("seconds", "N", default: "3", "length of each measurement")
    .option("json", "FILE", "write the figures to a file, too")

  static func run(_ flags: FlagValues) async throws(ToolError) -> Int32 {
    let rows = try flags.integer("rows", in: 1_000...10_000_000)
    let duration = Duration.seconds(try flags.integer("seconds", in: 1...600))
    var postgres: Endpoint?
    if let text = flags.optional("postgres") {
      guard let endpoint = Endpoint(text) else { throw .usage("--postgres must be HOST:PORT, not \"\(text)\"") }
      postgres = endpoint
    }
    if try flags.boolean("postgres-only") {
      guard let postgres else { throw .usage("--postgres-only needs --postgres") }
      let figures = try await measurePostgres(postgres, rows: rows, duration: duration)
      return try show([figures], rows: rows, flags)
    }
    let cluster = try await cluster(flags)
    let isOwn = flags.optional("directory") == nil
    var columns: [BenchColumn] = []
    do throws(ToolError) {
      columns.append(
        BenchColumn(system: "Theseus", figures: try await measure(cluster, rows: rows, duration: duration)))
    } catch {
      if isOwn { try? await cluster.stop() }
      throw ToolError("\(error.message); logs are in \(cluster.directory)/logs")
    }
    if isOwn {
      // PostgreSQL gets the machine for itself, as Theseus had it.
      try await cluster.stop()
      FileSystem.removeTree(cluster.directory)
    }
    if let postgres { columns.append(try await measurePostgres(postgres, rows: rows, duration: duration)) }
    return try show(columns, rows: rows, flags)
  }

  private static func show(_ columns: [BenchColumn], rows: Int, _ flags: FlagValues) throws(ToolError) -> Int32 {
    show(columns)
    let document = json(columns, rows: rows)
    Console.line("\n" + document.formatted())
    if let path = flags.optional("json") { try FileSystem.write(document.formatted() + "\n", to: path) }
    return 0
  }

  private static func cluster(_ flags: FlagValues) async throws(ToolError) -> LocalCluster {
    if let directory = flags.optional("directory") { return try LocalCluster.open(directory: directory) }
    var shape = LocalCluster.Shape()
    shape.portBase = try flags.integer("port-base", in: 1_024...LocalCluster.maximumPortBase)
    let programs = flags.optional("programs").map { FileSystem.absolute($0) } ?? FileSystem.programDirectory
    let cluster = try LocalCluster.new(
      directory: try FileSystem.temporaryDirectory("theseus-bench"), shape: shape, programDirectory: programs)
    do throws(ToolError) {
      try await cluster.start()
    } catch {
      try? await cluster.stop()
      throw error
    }
    return cluster
  }

  private static func measure(
    _ cluster: LocalCluster, rows: Int, duration: Duration
  ) async throws(ToolError) -> [BenchFigure] {
    guard let gateway = cluster.members.first(where: { $0.role == .gateway }) else {
      throw ToolError("the cluster has no gateway")
    }
    var service = ServiceBench(metadata: cluster.metadataEndpoints, gateway: gateway.rpc, duration: duration)
    do throws(RPCError) {
      try await service.run()
    } catch {
      throw ToolError("measuring RPC: \(error)")
    }
    var sql = SQLBench(target: BenchTarget(endpoints: cluster.sqlEndpoints), rows: rows, duration: duration)
    do throws(PostgresClientError) {
      try await sql.run()
    } catch {
      throw ToolError("measuring SQL: \(error)")
    }
    return [try syncFigure(cluster.directory)] + service.figures + sql.figures
  }

  private static func measurePostgres(
    _ endpoint: Endpoint, rows: Int, duration: Duration
  ) async throws(ToolError) -> BenchColumn {
    var sql = SQLBench(target: BenchTarget(endpoints: [endpoint], isPostgres: true), rows: rows, duration: duration)
    do throws(PostgresClientError) {
      try await sql.run()
    } catch {
      throw ToolError("measuring PostgreSQL: \(error)")
    }
    return BenchColumn(system: "PostgreSQL", figures: sql.figures)
  }

  /// What the disk itself takes for one small synced write.
  private static func syncFigure(_ directory: String) throws(ToolError) -> BenchFigure {
    let path = "\(directory)/sync-probe"
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw ToolError("cannot write \(path)") }
    defer {
      close(descriptor)
      FileSystem.remove(path)
    }
    var latencies = LatencyHistogram()
    let block = [UInt8](repeating: 7, count: 512)
    let start = EventLoop.now
    for _ in 0..<100 {
      let before = EventLoop.now
      guard write(descriptor, block, block.count) == block.count, fdatasync(descriptor) == 0 else {
        throw ToolError("cannot sync \(path)")
      }
      latencies.record(microseconds: (EventLoop.now.nanoseconds - before.nanoseconds) / 1_000)
    }
    let seconds = Double(EventLoop.now.nanoseconds - start.nanoseconds) / 1e9
    return BenchFigure("synced 512-byte writes of this disk", 100 / seconds, "/s", latencies)
  }

  // MARK: - Output

  private static func show(_ columns: [BenchColumn]) {
    let hasOther = columns.count > 1
    var rows = [["figure", columns[0].system, "unit", "p50", "p99"]]
    if hasOther { rows[0] += [columns[1].system, "p50", "p99", "ratio"] }
    for figure in columns[0].figures {
      var row = [
        figure.name, LatencyHistogram.decimals(figure.value, 0), figure.unit, text(figure.p50), text(figure.p99),
      ]
      if hasOther {
        if let other = columns[1].figures.first(where: { $0.name == figure.name }) {
          row += [
            LatencyHistogram.decimals(other.value, 0), text(other.p50), text(other.p99),
            LatencyHistogram.decimals(figure.value / max(other.value, 1e-9), 2),
          ]
        } else {
          row += ["", "", "", ""]
        }
      }
      rows.append(row)
    }
    Console.line(Console.table(rows))
  }

  private static func text(_ microseconds: UInt64?) -> String {
    microseconds == nil ? "" : LatencyHistogram.text(microseconds)
  }

  private static func json(_ columns: [BenchColumn], rows: Int) -> JSONValue {
    func list(_ figures: [BenchFigure]) -> JSONValue {
      .array(
        figures.map { figure in
          var members = [
            JSONMember("name", .string(figure.name)), JSONMember("value", .number(figure.value)),
            JSONMember("unit", .string(figure.unit)),
          ]
          if let p50 = figure.p50 { members.append(JSONMember("p50_us", .integer(Int(clamping: p50)))) }
          if let p99 = figure.p99 { members.append(JSONMember("p99_us", .integer(Int(clamping: p99)))) }
          return .object(members)
        })
    }
    var members = [
      JSONMember("rows", .integer(rows)),
      JSONMember("processors", .integer(Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))),
    ]
    members += columns.map { JSONMember($0.system.lowercased(), list($0.figures)) }
    return .object(members)
  }
}
