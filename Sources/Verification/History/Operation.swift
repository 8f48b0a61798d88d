/// What a client knows of the end of an operation.
public enum Outcome: Hashable, Sendable {
  case ok
  /// Surely without effect.
  case failed(String)
  /// It may have had its effect, may have it later, or never.
  case unknown(String)

  public var isOK: Bool { self == .ok }
  public var isUnknown: Bool { if case .unknown = self { true } else { false } }
  public var isFailed: Bool { if case .failed = self { true } else { false } }
}

/// What one client asked for and learned. Times are nanoseconds of one clock that all clients share.
public struct Operation<Action: Sendable & CustomStringConvertible>: Sendable, CustomStringConvertible {
  public var client: Int
  /// Counts the operations of this client, in the order it asked.
  public var number: Int
  /// Before anything was sent.
  public var invoked: UInt64
  /// After the answer. An operation with unknown outcome may take effect at any time after `invoked`, whatever stands here.
  public var completed: UInt64
  public var outcome: Outcome
  /// With the results, if the outcome is ok.
  public var action: Action

  public init(
    client: Int, number: Int = 0, invoked: UInt64, completed: UInt64, outcome: Outcome = .ok, action: Action
  ) {
    self.client = client
    self.number = number
    self.invoked = invoked
    self.completed = completed
    self.outcome = outcome
    self.action = action
  }

  /// The last moment at which it can have taken effect.
  public var deadline: UInt64 { outcome.isUnknown ? .max : completed }

  public var description: String {
    let result =
      switch outcome {
      case .ok: ""
      case .failed(let reason): " failed (\(reason))"
      case .unknown(let reason): " unknown (\(reason))"
      }
    return "[\(Self.milliseconds(invoked))…\(Self.milliseconds(completed)) ms] client \(client): \(action)\(result)"
  }

  private static func milliseconds(_ nanoseconds: UInt64) -> String {
    let fraction = String(nanoseconds / 1000 % 1000)
    return "\(nanoseconds / 1_000_000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
  }
}
