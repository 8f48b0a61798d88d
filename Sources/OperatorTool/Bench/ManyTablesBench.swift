import Basics
import EventLoop
import PostgresClient

/// What a gateway pays for many tables: memory, its start, and a point read of any of them.
@EventLoopActor struct ManyTablesBench {
  let target: BenchTarget
  /// nil: only what can be seen by SQL is measured.
  let cluster: LocalCluster?
  let count: Int
  let length: DDLBench.Length
  private static let warmTables = 20
  /// Of the gateways when this value was made.
  private let memoryBefore: [(name: String, bytes: Int)]

  init(target: BenchTarget, cluster: LocalCluster?, count: Int, length: DDLBench.Length) {
    self.target = target
    self.cluster = cluster
    self.count = count
    self.length = length
    memoryBefore = Self.gatewayMemory(cluster)
  }

  /// Creates tables by `bench` until there are `count` of them.
  func measure(_ bench: inout DDLBench, clients: Int) async throws(ToolError) -> [[String]] {
    var rows = [["with many tables", "value", "p50", "p99"]]
    do throws(PostgresClientError) {
      let missing = count - bench.tables.count
      if missing > 0 {
        let created = try await bench.createTables(clients, .statements(missing))
        rows.append([
          "creating \(missing) tables, \(clients) clients", "\(LatencyHistogram.decimals(created.perSecond, 1)) /s",
          LatencyHistogram.text(created.latencies.quantile(0.5)),
          LatencyHistogram.text(created.latencies.quantile(0.99)),
        ])
      }
      // The first read of a range in a while costs its leader a Raft write, the next ones do not.
      let all = try await reads(bench.tables)
      rows.append(row("point reads of \(bench.tables.count) tables, one after the other", all))
      let some = Array(bench.tables.prefix(Self.warmTables))
      _ = try await DDLClients(target, 1).run(.statements(some.count), Self.read(some))
      rows.append(row("point reads of \(some.count) of them, over and over", try await reads(some)))
    } catch {
      throw ToolError("measuring \(count) tables: \(error)")
    }
    guard let cluster else { return rows }
    for (name, bytes) in Self.gatewayMemory(cluster) {
      let earlier = memoryBefore.first { $0.name == name }.map { " (before: \($0.bytes >> 20) MiB)" } ?? ""
      rows.append(["memory of \(name)", "\(bytes >> 20) MiB\(earlier)"])
    }
    let start = EventLoop.now
    let added = try await cluster.addGateway()
    rows.append(["start of a gateway until it is ready", "\(EventLoop.now.milliseconds(since: start)) ms"])
    if let bytes = LocalProcess.residentBytes(added.pid) {
      rows.append(["memory of a gateway just started", "\(bytes >> 20) MiB"])
    }
    try await cluster.remove(added.name)
    return rows
  }

  private static func gatewayMemory(_ cluster: LocalCluster?) -> [(name: String, bytes: Int)] {
    (cluster?.members ?? []).filter { $0.role == .gateway }.compactMap { member in
      LocalProcess.residentBytes(member.pid).map { (member.name, $0) }
    }
  }

  private func reads(_ tables: [String]) async throws(PostgresClientError) -> BenchLoop.Outcome {
    try await DDLClients(target, 1).run(length, Self.read(tables))
  }

  /// Far apart, and every table once before any comes again.
  private static func read(_ tables: [String]) -> @EventLoopActor @Sendable (Int, Int, Int) -> String {
    { _, turn, _ in "SELECT v FROM \(tables[turn &* 7_919 % tables.count]) WHERE id = 1" }
  }

  private func row(_ name: String, _ outcome: BenchLoop.Outcome) -> [String] {
    [
      name, "\(LatencyHistogram.decimals(outcome.perSecond, 0)) /s",
      LatencyHistogram.text(outcome.latencies.quantile(0.5)), LatencyHistogram.text(outcome.latencies.quantile(0.99)),
    ]
  }
}
