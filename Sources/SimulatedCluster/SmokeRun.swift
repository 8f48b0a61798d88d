import EventLoop
import PostgresClient
import Simulation

/// The shortest run that uses every role: boots a cluster, makes a table, fills it, builds an index, checks it.
@EventLoopActor public enum SmokeRun {
  static let statements = [
    "SELECT 1",
    "CREATE TABLE ship (id int8 PRIMARY KEY, plank text, age int8)",
    "INSERT INTO ship SELECT i, 'plank ' || i, i % 7 FROM generate_series(1, 200) AS g(i)",
    "CREATE INDEX ship_age ON ship (age)",
    "SELECT count(*) FROM ship WHERE age = 3",
    "ALTER TABLE ship ADD COLUMN wood text DEFAULT 'oak'",
    "UPDATE ship SET wood = 'elm' WHERE age = 4",
    "CHECK TABLE ship",
  ]

  public static func run(_ world: Simulation, note: @EventLoopActor (String) -> Void) async throws {
    let cluster = SimulatedCluster(world)
    cluster.start()
    guard await cluster.ready(limit: .seconds(60)) else {
      throw RunFailure("not ready: \(cluster.nodes.filter { !$0.isReady }.map(\.name))")
    }
    note("ready")
    let connection = try await cluster.connect(gateway: 0)
    for statement in statements {
      let result = try await connection.query(statement)
      note("\(statement) -> \(result.commandTag) \(result.rows.first.map { "\($0)" } ?? "")")
      world.note("\(result.rows)")
    }
    connection.close()
  }
}

/// Why a run counts as failed, in a sentence.
public struct RunFailure: Error, Hashable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}
