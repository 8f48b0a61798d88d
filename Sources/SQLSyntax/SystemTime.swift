/// `AS OF SYSTEM TIME`: the moment that queries read at, as written: a date and time, an interval that leads back from now, or the
/// number that `cluster_logical_timestamp()` answered.
public struct SystemTimeSyntax: Hashable, Sendable {
  public var text: String

  public init(_ text: String) { self.text = text }
}
