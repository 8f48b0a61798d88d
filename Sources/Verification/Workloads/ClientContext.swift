import Basics

/// One client of a workload: its session, its randomness, its clock. Used by one task.
public final class ClientContext {
  public let host: any WorkloadHost
  public let number: Int
  public let client: any SQLClient
  public var random: SeededGenerator
  /// When it is to stop (ns).
  public let end: UInt64
  /// Answers that no fault and no concurrency explains.
  public private(set) var surprises: [Finding] = []
  private let workload: String
  private var operationCount = 0

  /// Surprises a client remembers.
  static let maximumSurprises = 20

  public init(_ host: any WorkloadHost, workload: String, number: Int, end: UInt64 = .max) async {
    self.host = host
    self.number = number
    self.workload = workload
    self.end = end
    var seed = host.seed
    for byte in workload.utf8 { seed = (seed ^ UInt64(byte)) &* 0x100_0000_01b3 }
    // Neighbours must not draw the same numbers one step apart.
    var seeds = SeededGenerator(seed: seed &+ UInt64(number) &* 0x9e37_79b9_7f4a_7c15)
    random = SeededGenerator(seed: seeds.next())
    client = await host.client(preferredGateway: number)
  }

  public var now: UInt64 { host.now }
  public var isOver: Bool { host.now >= end }

  public func nextNumber() -> Int {
    operationCount += 1
    return operationCount
  }

  public func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

  public func pick<Element>(_ elements: [Element]) -> Element? { elements.randomElement(using: &random) }

  public func think(_ milliseconds: ClosedRange<UInt64>) async {
    let pause = UInt64.random(in: milliseconds, using: &random)
    if pause > 0 { await host.pause(milliseconds: pause) }
  }

  // MARK: - Statements

  /// One statement by itself. Afterwards the session is fit for the next.
  public func execute(_ sql: String, allowing states: Set<String> = []) async -> Result<[[String?]], WorkloadError> {
    do throws(WorkloadError) {
      return .success(try await client.execute(sql))
    } catch {
      note(error, of: sql, allowing: states)
      await recover(error)
      return .failure(error)
    }
  }

  /// A transaction: `body` sends its statements by `client.execute`; nil from it gives up.
  public func transaction<Value>(
    _ begin: String, allowing states: Set<String> = [],
    _ body: (any SQLClient) async throws(WorkloadError) -> Value?
  ) async -> (value: Value?, outcome: Outcome, error: WorkloadError?) {
    let value: Value?
    let began = now
    do throws(WorkloadError) {
      _ = try await client.execute(begin)
      value = try await body(client)
    } catch {
      let hasOutlivedItsSnapshot = host.snapshotLife.map { error.state == "72000" && now - began >= $0 } ?? false
      if !hasOutlivedItsSnapshot {
        note(error, of: "a transaction, \((now - began) / 1_000_000) ms after its begin", allowing: states)
      }
      await abandon(after: error)
      // COMMIT was never sent, so whatever happened is undone.
      return (nil, .failed("\(error)"), error)
    }
    do throws(WorkloadError) {
      guard let value else {
        _ = try await client.execute("ROLLBACK")
        return (nil, .failed("rolled back"), nil)
      }
      _ = try await client.execute("COMMIT")
      return (value, .ok, nil)
    } catch {
      note(error, of: value == nil ? "ROLLBACK" : "COMMIT", allowing: states)
      await abandon(after: error)
      return (value, value == nil ? .failed("rolled back") : error.outcome, error)
    }
  }

  /// Tries until it works; throws what is not explained by faults. For set-up and final reads.
  public func insist(
    _ sql: String, tries: Int = 60, allowing states: Set<String> = []
  ) async throws(WorkloadError) -> [[String?]] {
    var left = tries
    while true {
      do throws(WorkloadError) {
        return try await client.execute(sql)
      } catch {
        left -= 1
        guard error.isExcusable || states.contains(error.state ?? ""), left > 0 else { throw error }
        await recover(error)
        await host.pause(milliseconds: 100)
      }
    }
  }

  /// A statement that creates something: done before is done.
  public func create(_ sql: String) async throws(WorkloadError) {
    do throws(WorkloadError) {
      _ = try await insist(sql)
    } catch {
      // Duplicate table, column, object: an earlier try had its effect.
      guard ["42P07", "42701", "42710"].contains(error.state ?? "") else { throw error }
    }
  }

  /// A finding that the statement itself brought to light.
  public func note(_ sentence: String, _ operations: [String] = []) {
    guard surprises.count < Self.maximumSurprises else { return }
    surprises.append(Finding("\(workload) answers", sentence, operations: operations))
  }

  private func note(_ error: WorkloadError, of sql: String, allowing states: Set<String>) {
    guard !error.isExcusable, !states.contains(error.state ?? "") else { return }
    note("nothing explains the answer \(error)", [sql])
  }

  private func abandon(after error: WorkloadError) async {
    if error.state != nil, (try? await client.execute("ROLLBACK")) != nil { return }
    await recover(error.state == nil ? error : .unknown("ROLLBACK failed"))
  }

  private func recover(_ error: WorkloadError) async {
    switch error {
    case .failed(let state, _): if state == "57P01" || state.hasPrefix("08") { await client.reconnect() }
    case .unknown: await client.reconnect()
    case .unreachable:
      await host.pause(milliseconds: UInt64.random(in: 20...120, using: &random))
      await client.reconnect()
    }
  }
}
