/// Transfers between accounts in two tables, and snapshots of all of them.
public struct BankWorkload: Workload {
  public let name: String
  public var accounts: Int
  public var initialBalance: Int
  public var limits: TrafficLimits

  static let beginSnapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ"
  static let beginCommitted = "BEGIN ISOLATION LEVEL READ COMMITTED"

  public init(
    name: String = "bank", accounts: Int = 8, initialBalance: Int = 100, limits: TrafficLimits = TrafficLimits()
  ) {
    self.name = name
    self.accounts = accounts
    self.initialBalance = initialBalance
    self.limits = limits
  }

  private static let tableCount = 2
  private func table(_ account: Int) -> String { "\(name)_accounts_\(account % Self.tableCount)" }

  public func setUp(_ session: ClientContext) async throws(WorkloadError) {
    for number in 0..<Self.tableCount {
      try await session.create(
        "CREATE TABLE \(name)_accounts_\(number) (id int8 PRIMARY KEY, balance int8 NOT NULL)")
    }
    for account in 0..<accounts {
      _ = try await session.insist(
        "INSERT INTO \(table(account)) VALUES (\(account), \(initialBalance)) ON CONFLICT DO NOTHING")
    }
  }

  public func traffic(_ host: any WorkloadHost) async -> TrafficRecord<BankAction> {
    TrafficRecord(
      await limits.run(of: name, host) { context in
        var past: String?
        return await context.loop(limits) {
          let operation =
            context.chance(35)
            ? await snapshot(context, asOf: context.chance(40) ? past : nil) : await transfer(context)
          if context.chance(20) { past = await moment(context) }
          return operation
        }
      })
  }

  private func transfer(_ context: ClientContext) async -> Operation<BankAction> {
    let from = Int.random(in: 0..<accounts, using: &context.random)
    let to = (from + Int.random(in: 1..<max(2, accounts), using: &context.random)) % accounts
    let amount = Int.random(in: 1...max(1, initialBalance / 4), using: &context.random)
    let invoked = context.now
    // Read, decide, write needs a snapshot; statements that decide for themselves need none.
    let readsFirst = context.chance(60)
    let result = await context.transaction(readsFirst ? Self.beginSnapshot : Self.beginCommitted) {
      (client) async throws(WorkloadError) -> Bool? in
      if readsFirst {
        let source = try await balance(client, from)
        let target = try await balance(client, to)
        guard let source, let target, source >= amount else { return nil }
        _ = try await client.execute("UPDATE \(table(from)) SET balance = \(source - amount) WHERE id = \(from)")
        _ = try await client.execute("UPDATE \(table(to)) SET balance = \(target + amount) WHERE id = \(to)")
        return true
      }
      let taken = try await client.execute(
        "UPDATE \(table(from)) SET balance = balance - \(amount) WHERE id = \(from) AND balance >= \(amount) RETURNING id"
      )
      guard !taken.isEmpty else { return nil }
      let given = try await client.execute(
        "UPDATE \(table(to)) SET balance = balance + \(amount) WHERE id = \(to) RETURNING id")
      return given.isEmpty ? nil : true
    }
    return context.finish(.transfer(from: from, to: to, amount: amount), invoked: invoked, result.outcome)
  }

  private func balance(_ client: any SQLClient, _ account: Int) async throws(WorkloadError) -> Int? {
    let rows = try await client.execute("SELECT balance FROM \(table(account)) WHERE id = \(account)")
    return (rows.first?.first ?? nil).flatMap { Int($0) }
  }

  /// A timestamp to come back to.
  private func moment(_ context: ClientContext) async -> String? {
    guard case .success(let rows) = await context.execute("SELECT cluster_logical_timestamp()") else { return nil }
    return rows.first?.first ?? nil
  }

  /// `past`: the moment that is looked at, with the schema of then; nil: now.
  private func snapshot(_ context: ClientContext, asOf past: String?) async -> Operation<BankAction> {
    let invoked = context.now
    let isAccountByAccount = context.chance(50)
    let begin = past.map { "BEGIN AS OF SYSTEM TIME \($0)" } ?? Self.beginSnapshot
    // The past is kept for a while only.
    let result = await context.transaction(begin, allowing: past == nil ? [] : ["72000"]) {
      (client) async throws(WorkloadError) -> [Int: Int]? in
      var balances: [Int: Int] = [:]
      if isAccountByAccount {
        for account in 0..<accounts { balances[account] = try await balance(client, account) }
      } else {
        for number in 0..<Self.tableCount {
          Self.add(try await client.execute("SELECT id, balance FROM \(table(number))"), to: &balances)
        }
      }
      return balances
    }
    // A read-only transaction that was answered is right or wrong, whatever became of its COMMIT.
    let outcome: Outcome = result.value == nil ? result.outcome : .ok
    return context.finish(.snapshot(result.value ?? [:]), invoked: invoked, outcome)
  }

  private static func add(_ rows: [[String?]], to balances: inout [Int: Int]) {
    for row in rows where row.count == 2 {
      if let account = row[0].flatMap({ Int($0) }), let balance = row[1].flatMap({ Int($0) }) {
        balances[account] = balance
      }
    }
  }

  public func finalReads(_ session: ClientContext, _ record: inout TrafficRecord<BankAction>) async {
    let invoked = session.now
    var balances: [Int: Int] = [:]
    do throws(WorkloadError) {
      for number in 0..<Self.tableCount {
        Self.add(try await session.insist("SELECT id, balance FROM \(table(number))"), to: &balances)
      }
    } catch {
      record.surprises.append(Finding("\(name) answers", "the accounts cannot be read in the end: \(error)"))
      return
    }
    record.history.append(contentsOf: [
      Operation(client: limits.clients, invoked: invoked, completed: session.now, action: .snapshot(balances))
    ])
  }

  public func report(_ record: TrafficRecord<BankAction>) -> WorkloadReport {
    let check = BankCheck(accounts: accounts, initialBalance: initialBalance, forbidsOverdraft: true)
    return WorkloadReport(
      name: name, findings: check.findings(record.history) + record.surprises, history: record.history)
  }
}
