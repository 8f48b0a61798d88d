/// Clients that take numbers of sequences through all gateways, by `nextval` and by inserts into a table with a serial
/// column, while one of them changes the sequences and lets them jump ahead.
public struct SequenceWorkload: Workload {
  public let name: String
  public var limits: TrafficLimits

  public init(name: String = "sequences", limits: TrafficLimits = TrafficLimits()) {
    self.name = name
    self.limits = limits
  }

  /// CACHE 1.
  private var strict: String { "\(name)_strict" }
  private var cached: String { "\(name)_cached" }
  private var table: String { "\(name)_rows" }

  /// Renamed for a moment, or altered at the same time as somebody else's transaction holds it.
  private static let excused: Set<String> = ["42P01"]

  public func setUp(_ session: ClientContext) async throws(WorkloadError) {
    try await session.create("CREATE SEQUENCE \(strict)")
    try await session.create("CREATE SEQUENCE \(cached) CACHE 7")
    try await session.create("CREATE TABLE \(table) (id bigserial PRIMARY KEY, row int8 NOT NULL)")
  }

  public func traffic(_ host: any WorkloadHost) async -> TrafficRecord<SequenceAction> {
    TrafficRecord(
      await limits.run(of: name, host) { context in
        var rows = context.number
        var jumps = Jumps()
        return await context.loop(limits) {
          if context.number == 0, context.chance(30) { return await change(context, &jumps) }
          if context.chance(35) {
            rows += limits.clients
            return await insert(rows, context)
          }
          return await take(context.chance(50) ? strict : cached, context)
        }
      })
  }

  private func take(_ sequence: String, _ context: ClientContext) async -> Operation<SequenceAction> {
    let invoked = context.now
    switch await context.execute("SELECT nextval('\(sequence)')", allowing: Self.excused) {
    case .success(let rows):
      guard let number = (rows.first?.first ?? nil).flatMap({ Int($0) }) else {
        context.note("nextval yields no number", ["\(rows)"])
        return context.finish(SequenceAction(sequence, .alter("nextval")), invoked: invoked, .failed("no number"))
      }
      return context.finish(SequenceAction(sequence, .take(number)), invoked: invoked, .ok)
    case .failure(let error):
      return context.finish(SequenceAction(sequence, .alter("nextval")), invoked: invoked, error.outcome)
    }
  }

  private func insert(_ row: Int, _ context: ClientContext) async -> Operation<SequenceAction> {
    let invoked = context.now
    switch await context.execute("INSERT INTO \(table) (row) VALUES (\(row)) RETURNING id") {
    case .success(let rows):
      let number = (rows.first?.first ?? nil).flatMap { Int($0) } ?? -1
      return context.finish(SequenceAction(table, .insert(row: row, number: number)), invoked: invoked, .ok)
    case .failure(let error):
      return context.finish(
        SequenceAction(table, .alter("insert of row \(row)")), invoked: invoked, error.outcome)
    }
  }

  struct Jumps {
    var count = 0
    /// One whose outcome is unknown may still come, and would go back behind a later one.
    var isOver = false
  }

  /// Only one client changes sequences, so its jumps go ahead of each other.
  private func change(_ context: ClientContext, _ jumps: inout Jumps) async -> Operation<SequenceAction> {
    let invoked = context.now
    let action: SequenceAction
    let sql: String
    switch Int.random(in: 0..<4, using: &context.random) {
    case 0 where !jumps.isOver:
      jumps.count += 1
      let target = jumps.count * 1_000_000
      action = SequenceAction(strict, .jump(to: target))
      sql = "SELECT setval('\(strict)', \(target))"
    case 0, 1:
      let cache = Int.random(in: 2...9, using: &context.random)
      action = SequenceAction(cached, .alter("CACHE \(cache)"))
      sql = "ALTER SEQUENCE \(cached) CACHE \(cache)"
    case 2:
      action = SequenceAction(strict, .alter("MINVALUE"))
      sql = "ALTER SEQUENCE \(strict) MINVALUE \(Int.random(in: -9...0, using: &context.random))"
    default:
      // Of the serial column's: its default knows it by number.
      let names = ["\(table)_id_seq", "\(table)_numbers"]
      let (from, to) = context.chance(50) ? (names[0], names[1]) : (names[1], names[0])
      action = SequenceAction(table, .alter("RENAME TO \(to)"))
      sql = "ALTER SEQUENCE \(from) RENAME TO \(to)"
    }
    switch await context.execute(sql, allowing: Self.excused) {
    case .success: return context.finish(action, invoked: invoked, .ok)
    case .failure(let error):
      if case .jump = action.kind, error.outcome.isUnknown { jumps.isOver = true }
      return context.finish(action, invoked: invoked, error.outcome)
    }
  }

  /// Every row that was acknowledged is there, under its number.
  public func finalReads(_ session: ClientContext, _ record: inout TrafficRecord<SequenceAction>) async {
    do throws(WorkloadError) {
      var found: [Int: Int] = [:]
      for row in try await session.insist("SELECT id, row FROM \(table)") {
        if let id = row.first.flatMap({ $0 }).flatMap({ Int($0) }), let value = row.last.flatMap({ $0 }) {
          found[id] = Int(value)
        }
      }
      for operation in record.history.operations where operation.outcome.isOK {
        guard case .insert(let row, let number) = operation.action.kind, found[number] != row else { continue }
        record.surprises.append(
          Finding(
            name, "row \(row) is not there as \(number)",
            operations: [operation.description]))
      }
    } catch {
      record.surprises.append(Finding("\(name) answers", "the rows cannot be read in the end: \(error)"))
    }
  }

  public func report(_ record: TrafficRecord<SequenceAction>) -> WorkloadReport {
    let check = SequenceCheck(ordered: [strict])
    return WorkloadReport(
      name: name, findings: check.findings(record.history) + record.surprises, history: record.history)
  }
}
