import Basics

/// What an operator may want to read in the log about the connection to the metadata service.
public enum ClusterEvent: Hashable, Sendable, CustomStringConvertible {
  case registered(NodeID, SessionEpoch)
  case registrationRefused(SQLError)
  case registrationFailed(String)
  case renewalFailed(String)
  case sessionLost(SessionEpoch)
  case watchFailing(String)
  case leavingFailed(String)

  public var isWarning: Bool { if case .registered = self { false } else { true } }

  public var description: String {
    switch self {
    case .registered(let node, let epoch): "registered as node \(node) with session epoch \(epoch)"
    case .registrationRefused(let error): "registration refused: \(error)"
    case .registrationFailed(let reason): "cannot register: \(reason)"
    case .renewalFailed(let reason): "cannot renew the session: \(reason)"
    case .sessionLost(let epoch): "the session with epoch \(epoch) is gone; registering again"
    case .watchFailing(let reason): "the schema watch stream fails: \(reason)"
    case .leavingFailed(let reason): "cannot end the session, its lease will: \(reason)"
    }
  }
}
