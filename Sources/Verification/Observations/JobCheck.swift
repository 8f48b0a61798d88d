/// One operation id is one job, a job's end is final, every job ends, and none runs for long while a majority is healthy.
struct JobCheck {
  var maximumHealthyDuration: UInt64
  var end: UInt64
  var isSettled: Bool

  static let name = "jobs"

  private struct Job {
    var state: ObservedJobState
    var entry: ObservationLog.Entry
    /// Since when it has been running while a majority is healthy.
    var runningSince: UInt64?
    var isReported = false
  }

  func findings(_ log: ObservationLog) -> [Finding] {
    var jobs: [UInt64: Job] = [:]
    var operations: [String: (id: UInt64, entry: ObservationLog.Entry)] = [:]
    var findings: [Finding] = []
    var isHealthy = true

    func close(_ job: inout Job, _ id: UInt64, at time: UInt64) {
      guard let since = job.runningSince, time > since else { return }
      job.runningSince = nil
      if time - since > maximumHealthyDuration, !job.isReported {
        job.isReported = true
        findings.append(
          Finding(
            Self.name,
            "job \(id) ran \((time - since) / 1_000_000) ms while a majority was healthy; "
              + "\(maximumHealthyDuration / 1_000_000) ms are allowed", operations: [job.entry.description]))
      }
    }

    for entry in log.entries {
      switch entry.observation {
      case .majorityHealthy(let now):
        if now == isHealthy { continue }
        isHealthy = now
        for id in jobs.keys.sorted() {
          guard var job = jobs[id] else { continue }
          if isHealthy {
            job.runningSince = runs(job.state) ? entry.time : nil
          } else {
            close(&job, id, at: entry.time)
          }
          jobs[id] = job
        }
      case .job(let id, let operation, let state):
        if let operation {
          if let first = operations[operation], first.id != id {
            findings.append(
              Finding(
                Self.name, "operation \"\(operation)\" has two jobs, \(first.id) and \(id)",
                operations: [first.entry.description, entry.description]))
          } else if operations[operation] == nil {
            operations[operation] = (id, entry)
          }
        }
        var job = jobs[id] ?? Job(state: state, entry: entry)
        if job.state.isFinal, job.state != state {
          findings.append(
            Finding(
              Self.name, "job \(id) had ended as \(job.state) and is \(state)",
              operations: [job.entry.description, entry.description]))
        }
        if !runs(state) { close(&job, id, at: entry.time) }
        if runs(state), job.runningSince == nil, isHealthy { job.runningSince = entry.time }
        job.state = state
        job.entry = entry
        jobs[id] = job
      default: break
      }
    }
    for id in jobs.keys.sorted() {
      guard var job = jobs[id], !job.state.isFinal else { continue }
      close(&job, id, at: end)
      if isSettled {
        findings.append(
          Finding(Self.name, "job \(id) does not end: it is \(job.state)", operations: [job.entry.description]))
      }
    }
    return findings
  }

  private func runs(_ state: ObservedJobState) -> Bool { state == .running || state == .reverting }
}
