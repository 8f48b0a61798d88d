/// Every replica of a group applies the same entries and comes to the same states, before and after restarts.
struct LogAgreementCheck {
  private struct Place: Hashable {
    var group: UInt64
    var index: UInt64
  }

  private struct Seen {
    var term: UInt64
    var digest: UInt64
    var entry: ObservationLog.Entry
  }

  func findings(_ log: ObservationLog) -> [Finding] {
    var applied: [Place: Seen] = [:]
    var states: [Place: Seen] = [:]
    var findings: [Finding] = []
    for entry in log.entries {
      switch entry.observation {
      case .applied(_, let group, let index, let term, let digest):
        let place = Place(group: group, index: index)
        if let first = applied[place] {
          if first.term != term || first.digest != digest {
            findings.append(
              Finding(
                "log agreement", "two replicas of group \(group) applied different entries at index \(index)",
                operations: [first.entry.description, entry.description]))
          }
        } else {
          applied[place] = Seen(term: term, digest: digest, entry: entry)
        }
      case .stateDigest(_, let group, let index, let digest):
        let place = Place(group: group, index: index)
        if let first = states[place] {
          if first.digest != digest {
            findings.append(
              Finding(
                "state agreement", "two replicas of group \(group) have different states after index \(index)",
                operations: [first.entry.description, entry.description]))
          }
        } else {
          states[place] = Seen(term: 0, digest: digest, entry: entry)
        }
      default: break
      }
    }
    return findings
  }
}

/// Election safety (Raft, figure 3): at most one leader a term.
struct LeaderCheck {
  private struct Term: Hashable {
    var group: UInt64
    var term: UInt64
  }

  func findings(_ log: ObservationLog) -> [Finding] {
    var leaders: [Term: (node: String, entry: ObservationLog.Entry)] = [:]
    var findings: [Finding] = []
    for entry in log.entries {
      guard case .leader(let group, let term, let node) = entry.observation else { continue }
      let place = Term(group: group, term: term)
      if let first = leaders[place] {
        if first.node != node {
          findings.append(
            Finding(
              "election", "group \(group) has two leaders in term \(term)",
              operations: [first.entry.description, entry.description]))
        }
      } else {
        leaders[place] = (node, entry)
      }
    }
    return findings
  }
}
