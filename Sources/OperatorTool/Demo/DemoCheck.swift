import Basics
import EventLoop
import PostgresClient

/// The final look at the demo's table: nothing lost, nothing invented, rows and indexes agree, all gateways alike.
@EventLoopActor struct DemoCheck {
  let model: DemoModel
  let endpoints: [Endpoint]
  private(set) var lines: [String] = []
  private(set) var isGood = true

  static let pageRows = 10_000
  static let lookUps = 500

  init(model: DemoModel, endpoints: [Endpoint]) {
    self.model = model
    self.endpoints = endpoints
  }

  private mutating func note(_ good: Bool, _ text: String) {
    lines.append((good ? "ok    " : "WRONG ") + text)
    isGood = isGood && good
  }

  mutating func run() async throws(PostgresClientError) {
    let connection = try await PostgresConnection.connect(to: endpoints[0])
    defer { connection.close() }
    try await checkIndexes(connection)
    try await checkRows(connection)
    try await checkLookUps(connection)
    try await checkColumns()
  }

  /// The cluster's own check: rows and entries of every index, counted and summed on both sides.
  private mutating func checkIndexes(_ connection: PostgresConnection) async throws(PostgresClientError) {
    let result = try await connection.query("CHECK TABLE ships")
    for row in result.rows where row.count >= 4 {
      let (index, rows, entries) = (row[0] ?? "?", row[1] ?? "?", row[2] ?? "?")
      let good = row[3] == "t" && rows == entries && rows == "\(model.rowCount)"
      note(good, "index \(index): \(entries) entries for \(rows) rows")
    }
    note(result.rows.count == 3, "\(result.rows.count) of 3 secondary indexes checked by the cluster")
  }

  /// Every row against the acknowledged writes.
  private mutating func checkRows(_ connection: PostgresConnection) async throws(PostgresClientError) {
    var seen = 0
    var wrong: [String] = []
    let last = model.highestID
    for start in stride(from: 1, through: last, by: Self.pageRows) {
      let end = min(start + Self.pageRows, last + 1)
      let page = try await connection.query(
        "SELECT id, name, owner, balance, condition FROM ships WHERE id >= \(start) AND id < \(end)")
      var found: [Int: DemoModel.Row] = [:]
      for row in page.rows {
        guard let id = row[0].flatMap({ Int($0) }), let name = row[1], let owner = row[2].flatMap({ Int($0) }),
          let balance = row[3].flatMap({ Int($0) })
        else {
          wrong.append("a row without values: \(row)")
          continue
        }
        if found.updateValue(DemoModel.Row(name: name, owner: owner, balance: balance), forKey: id) != nil {
          wrong.append("row \(id) is there twice")
        }
        if row[4] != "sound" { wrong.append("row \(id) lacks the added column's default") }
      }
      seen += found.count
      for id in start..<end where found[id] != model[id] && !model.uncertain.contains(id) {
        wrong.append("row \(id) is \(String(describing: found[id])), acknowledged was \(String(describing: model[id]))")
      }
    }
    note(
      wrong.isEmpty && seen > 0,
      "\(seen) rows compared with the acknowledged writes (\(model.changed.count) rows were written)")
    for text in wrong.prefix(5) { note(false, text) }
    if !model.uncertain.isEmpty { note(false, "\(model.uncertain.count) rows have a write without a known outcome") }
  }

  /// Random rows by each of the new indexes, which the plans must really use.
  private mutating func checkLookUps(_ connection: PostgresConnection) async throws(PostgresClientError) {
    for (index, column) in [("ships_owner", "owner"), ("ships_pkey", "name"), ("ships_id", "id")] {
      let value = column == "name" ? "'ship-7'" : "7"
      let plan = try await connection.query("EXPLAIN SELECT id FROM ships WHERE \(column) = \(value)")
      let text = plan.rows.compactMap { $0.first ?? nil }.joined(separator: " ")
      note(text.contains(index), "EXPLAIN of a look-up by \(column) names \(index)")
    }
    var random = SeededGenerator(seed: 42)
    var missing = 0
    for _ in 0..<Self.lookUps {
      let id = Int.random(in: 1...model.highestID, using: &random)
      guard let row = model[id], !model.uncertain.contains(id) else { continue }
      let byOwner = try await connection.query("SELECT id FROM ships WHERE owner = \(row.owner)")
      let byName = try await connection.query("SELECT id FROM ships WHERE name = '\(row.name)'")
      if !byOwner.rows.contains(["\(id)"]) || byName.rows != [["\(id)"]] { missing += 1 }
    }
    note(missing == 0, "\(Self.lookUps) random rows found by owner and by name, \(missing) missing")
  }

  /// Every gateway shows the columns as the changes left them.
  private mutating func checkColumns() async throws(PostgresClientError) {
    let expected = ["id", "name", "owner", "balance", "harbour", "condition"]
    for endpoint in endpoints {
      let connection = try await PostgresConnection.connect(to: endpoint)
      let shown = try await connection.query("SELECT * FROM ships WHERE id = 1").fields.map(\.name)
      connection.close()
      note(shown == expected, "the gateway at \(endpoint) shows the columns \(shown.joined(separator: ", "))")
    }
  }
}
