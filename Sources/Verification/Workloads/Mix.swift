/// Several workloads side by side on one cluster.
public struct Mix: Sendable {
  public var workloads: [any Workload]

  public init(_ workloads: [any Workload]) { self.workloads = workloads }

  /// Set-up, traffic of all at once, settling, final reads, checks.
  public func run(on host: any WorkloadHost) async -> MixReport {
    var report = MixReport()
    await host.entered(.setUp)
    var ready: [any Workload] = []
    for workload in workloads {
      let context = await ClientContext(host, workload: "\(workload.name) set-up", number: 0)
      do throws(WorkloadError) {
        try await workload.setUp(context)
        ready.append(workload)
      } catch {
        report.setUpFindings.append(Finding("\(workload.name) set-up", "the tables cannot be set up: \(error)"))
      }
    }
    await host.entered(.traffic)
    let finished = await withTaskGroup(of: (Int, Finished).self) { group in
      for (position, workload) in ready.enumerated() {
        group.addTask { (position, await workload.finished(host)) }
      }
      var results: [(Int, Finished)] = []
      for await result in group { results.append(result) }
      return results.sorted { $0.0 < $1.0 }.map(\.1)
    }
    await host.entered(.settling)
    await host.entered(.finalReads)
    for workload in finished { report.reports.append(await workload.conclude(host)) }
    await host.entered(.done)
    return report
  }

  /// A workload whose clients are through.
  struct Finished: Sendable {
    let conclude: @Sendable (any WorkloadHost) async -> WorkloadReport
  }
}

extension Workload {
  func finished(_ host: any WorkloadHost) async -> Mix.Finished {
    let record = await traffic(host)
    return Mix.Finished { host in
      var record = record
      let context = await ClientContext(host, workload: "\(name) final reads", number: 0)
      await finalReads(context, &record)
      var report = report(record)
      report.findings = (report.findings + context.surprises).sorted()
      return report
    }
  }
}

/// What a mix found.
public struct MixReport: Sendable, CustomStringConvertible {
  public var reports: [WorkloadReport] = []
  var setUpFindings: [Finding] = []

  public init() {}

  public var findings: [Finding] { (setUpFindings + reports.flatMap(\.findings)).sorted() }

  public var description: String {
    (reports.map(\.description) + findings.map(\.description)).joined(separator: "\n")
  }
}
