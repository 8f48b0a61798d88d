import Basics
import EventLoop
import SQLExpressions
import SQLSyntax

extension SystemTime {
  /// Finds the timestamp when the transaction begins to read; nil: it reads the present.
  static func resolver(
    _ written: SystemTimeSyntax?
  ) -> (@EventLoopActor (Timestamp) throws(SQLError) -> Timestamp)? {
    guard let written else { return nil }
    return { (now: Timestamp) throws(SQLError) -> Timestamp in try timestamp(written.text, now: now) }
  }
}
