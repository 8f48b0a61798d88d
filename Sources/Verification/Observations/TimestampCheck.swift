/// No timestamp is granted twice, and what was asked for after an answer is greater than what was answered.
struct TimestampCheck {
  private struct Grant {
    var first: UInt64
    var last: UInt64
    var requestedAt: UInt64
    var entry: ObservationLog.Entry
  }

  func findings(_ log: ObservationLog) -> [Finding] {
    var grants: [Grant] = []
    for entry in log.entries {
      guard case .timestampsGranted(_, let first, let count, let requestedAt) = entry.observation, count > 0 else {
        continue
      }
      let (last, isTooLarge) = first.addingReportingOverflow(count - 1)
      grants.append(Grant(first: first, last: isTooLarge ? .max : last, requestedAt: requestedAt, entry: entry))
    }
    return doubled(grants) + backwards(grants)
  }

  private func doubled(_ grants: [Grant]) -> [Finding] {
    let sorted = grants.sorted { ($0.first, $0.last, $0.entry.time) < ($1.first, $1.last, $1.entry.time) }
    var findings: [Finding] = []
    var highest: Grant?
    for grant in sorted {
      if let highest, grant.first <= highest.last {
        findings.append(
          Finding(
            "timestamps", "timestamp \(grant.first) was granted twice",
            operations: [highest.entry.description, grant.entry.description]))
      }
      if grant.last >= (highest?.last ?? 0) { highest = grant }
    }
    return findings
  }

  private func backwards(_ grants: [Grant]) -> [Finding] {
    let byQuestion = grants.sorted { ($0.requestedAt, $0.first) < ($1.requestedAt, $1.first) }
    let byAnswer = grants.sorted { ($0.entry.time, $0.first) < ($1.entry.time, $1.first) }
    var findings: [Finding] = []
    var highest: Grant?
    var answered = 0
    for grant in byQuestion {
      while answered < byAnswer.count, byAnswer[answered].entry.time < grant.requestedAt {
        if byAnswer[answered].last >= (highest?.last ?? 0) { highest = byAnswer[answered] }
        answered += 1
      }
      if let highest, grant.first <= highest.last {
        findings.append(
          Finding(
            "timestamps", "timestamp \(grant.first) was asked for after \(highest.last) had been answered",
            operations: [highest.entry.description, grant.entry.description]))
      }
    }
    return findings
  }
}
