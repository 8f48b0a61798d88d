/// What a step of a schema change does about transactions on older versions, and processes that do not answer, once it has
/// waited for them as long as it may.
public enum OnBlock: UInt8, Hashable, Sendable, CaseIterable {
  /// Goes on as soon as a majority of the processes is through: the rest are fenced, their transactions get 40001.
  case abort = 0
  /// Waits for all of them, however long; a process that is gone counts until its lease ends.
  case wait = 1
  /// Takes the change back while that can be done, once all of them are through; then as `abort`.
  case cancel = 2

  public init?(name: some StringProtocol) {
    guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = found
  }

  public var name: String { "\(self)" }
}
