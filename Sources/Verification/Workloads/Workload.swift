/// Clients that do something to a database and remember it, and the check of what they remember.
public protocol Workload: Sendable {
  /// What the clients bring home.
  associatedtype Record: Sendable

  /// Prefix of its tables, so that workloads of different names run side by side.
  var name: String { get }
  func setUp(_ session: ClientContext) async throws(WorkloadError)
  /// Runs all clients to their end.
  func traffic(_ host: any WorkloadHost) async -> Record
  /// Reads the state that is left and adds it to the record.
  func finalReads(_ session: ClientContext, _ record: inout Record) async
  func report(_ record: Record) -> WorkloadReport
}

/// What a workload found.
public struct WorkloadReport: Sendable, CustomStringConvertible {
  public var name: String
  public var findings: [Finding]
  public var succeeded: Int
  public var failed: Int
  public var unknown: Int
  /// Its history, for people: one line an operation.
  public var history: [String] { lines() }
  private let lines: @Sendable () -> [String]

  public init<Action>(name: String, findings: [Finding], history: History<Action>) {
    self.name = name
    self.findings = findings.sorted()
    succeeded = history.count { $0.isOK }
    failed = history.count { $0.isFailed }
    unknown = history.count { $0.isUnknown }
    lines = { history.lines }
  }

  public var description: String {
    "\(name): \(succeeded) ok, \(failed) failed, \(unknown) unknown, \(findings.count) findings"
  }
}

/// How much the clients of a workload do; each stops at whichever limit comes first.
public struct TrafficLimits: Hashable, Sendable {
  public var clients: Int
  public var operationsPerClient: Int
  /// From the beginning of the traffic.
  public var durationNanoseconds: UInt64
  /// Between two operations.
  public var thinkMilliseconds: ClosedRange<UInt64>

  public init(
    clients: Int = 4, operationsPerClient: Int = 100, durationNanoseconds: UInt64 = 30_000_000_000,
    thinkMilliseconds: ClosedRange<UInt64> = 0...20
  ) {
    self.clients = clients
    self.operationsPerClient = operationsPerClient
    self.durationNanoseconds = durationNanoseconds
    self.thinkMilliseconds = thinkMilliseconds
  }

  /// Runs `body` once for each client, side by side; results in the order of the clients.
  public func run<Result: Sendable>(
    of workload: String, _ host: any WorkloadHost, _ body: @escaping @Sendable (ClientContext) async -> Result
  ) async -> [Result] {
    let end = host.now &+ durationNanoseconds
    return await withTaskGroup(of: (Int, Result).self) { group in
      for number in 0..<clients {
        group.addTask {
          let context = await ClientContext(host, workload: workload, number: number, end: end)
          return (number, await body(context))
        }
      }
      var results: [(Int, Result)] = []
      for await result in group { results.append(result) }
      return results.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }
}
