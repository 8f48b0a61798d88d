/// One life of a simulated host: what runs between a start and the kill or exit that ends it.
///
/// Tasks inherit it from the code that makes them; timers, closures and callbacks run with the one they were made under.
public struct SimulatedProcess: Hashable, Sendable, CustomStringConvertible {
  /// The host's number, given by the world in the order of creation.
  public let host: Int
  /// Grows by one with every start of the host.
  public let incarnation: Int

  /// The process whose code runs now; nil in production and for the code that drives a simulation.
  @TaskLocal public static var current: SimulatedProcess?

  public init(host: Int, incarnation: Int) {
    self.host = host
    self.incarnation = incarnation
  }

  public var description: String { "\(host).\(incarnation)" }
}
