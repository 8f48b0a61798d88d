/// Invariants of a cluster's inside, checked over what was seen of it.
public struct ObservationChecks: Sendable {
  /// A job must end within this time of uninterrupted running while a majority is healthy.
  public var maximumHealthyJobDuration: UInt64

  /// Findings of one check after which it stops.
  static let maximumFindings = 50

  public init(maximumHealthyJobDuration: UInt64) { self.maximumHealthyJobDuration = maximumHealthyJobDuration }

  /// `end`: when the run ended (ns). `isSettled`: faults were ended and waited for, so that every job must have ended too.
  public func findings(_ log: ObservationLog, end: UInt64, isSettled: Bool) -> [Finding] {
    let checks: [[Finding]] = [
      LogAgreementCheck().findings(log), LeaderCheck().findings(log), TimestampCheck().findings(log),
      SchemaLogCheck().findings(log), VersionCheck().findings(log),
      JobCheck(maximumHealthyDuration: maximumHealthyJobDuration, end: end, isSettled: isSettled).findings(log),
    ]
    return Array(Set(checks.flatMap { $0.prefix(Self.maximumFindings) })).sorted()
  }
}
