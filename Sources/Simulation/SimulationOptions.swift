/// What a world starts with.
public struct SimulationOptions: Sendable {
  public var seed: UInt64
  /// Of every pair of hosts that has no conditions of its own.
  public var link = LinkConditions()
  /// What the wall clocks show at the beginning: milliseconds since 1970.
  public var wallClockMilliseconds: UInt64 = 1_767_225_600_000
  /// Gets the log lines of the hosts ("meta-1: …"); nil drops them.
  public var log: (@Sendable (String) -> Void)?

  public init(seed: UInt64) { self.seed = seed }
}

/// Why a run could not go on.
public enum SimulationError: Error, Hashable, CustomStringConvertible {
  /// Nothing is left that could happen, and the driver still waits.
  case stuck
  /// The driver did not end within the simulated time it was given.
  case timeLimit

  public var description: String {
    switch self {
    case .stuck: "the simulation is stuck: no event is left and the driver still waits"
    case .timeLimit: "the simulation's time limit has passed and the driver still waits"
    }
  }
}
