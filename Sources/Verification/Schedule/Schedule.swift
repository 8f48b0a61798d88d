/// What goes wrong when: one line an action, in a text that can be edited and replayed.
public struct Schedule: Hashable, Sendable, CustomStringConvertible {
  /// When an action happens, in nanoseconds from the beginning of the traffic.
  public enum Moment: Hashable, Sendable {
    case at(UInt64)
    /// Again and again: first at `from`, or after one interval where there is none.
    case every(UInt64, from: UInt64?, until: UInt64?)
  }

  public struct Line: Hashable, Sendable, CustomStringConvertible {
    public var moment: Moment
    public var action: FaultAction

    public init(_ moment: Moment, _ action: FaultAction) {
      self.moment = moment
      self.action = action
    }

    public var description: String {
      switch moment {
      case .at(let time): return "at \(FaultAction.print(time)) \(action)"
      case .every(let interval, let from, let until):
        var text = "every \(FaultAction.print(interval)) "
        if let from { text += "from \(FaultAction.print(from)) " }
        if let until { text += "until \(FaultAction.print(until)) " }
        return text + "\(action)"
      }
    }
  }

  /// A text with more lines is refused; `every` happens at most this often.
  public static let maximumLines = 10_000

  public var lines: [Line]

  public init(_ lines: [Line] = []) { self.lines = lines }

  public var description: String { lines.map(\.description).joined(separator: "\n") }

  /// Empty lines and what follows a `#` say nothing.
  public init(parsing text: String) throws(ScheduleError) {
    lines = []
    for (position, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let content = line.prefix { $0 != "#" }
      guard content.contains(where: { !$0.isWhitespace }) else { continue }
      var words = ScheduleWords(content, line: position + 1)
      guard lines.count < Self.maximumLines else { throw words.error("more than \(Self.maximumLines) lines") }
      let moment = try Moment(&words)
      lines.append(Line(moment, try FaultAction(&words)))
      try words.end()
    }
  }

  /// Everything that happens before `end`, in order; of the same moment, in the order of the lines.
  public func events(until end: UInt64) -> [(at: UInt64, action: FaultAction)] {
    var events: [(at: UInt64, line: Int, action: FaultAction)] = []
    for (position, line) in lines.enumerated() {
      switch line.moment {
      case .at(let time): if time < end { events.append((time, position, line.action)) }
      case .every(let interval, let from, let until):
        var time = from ?? interval
        var count = 0
        while time < min(end, until ?? .max), count < Self.maximumLines {
          events.append((time, position, line.action))
          time += max(1, interval)
          count += 1
        }
      }
    }
    return events.sorted { ($0.at, $0.line) < ($1.at, $1.line) }.map { ($0.at, $0.action) }
  }
}

extension Schedule.Moment {
  init(_ words: inout ScheduleWords) throws(ScheduleError) {
    let word = try words.next("at or every")
    switch word {
    case "at": self = .at(try words.time())
    case "every":
      let interval = try words.time()
      let from = words.skip("from") ? try words.time() : nil
      let until = words.skip("until") ? try words.time() : nil
      self = .every(interval, from: from, until: until)
    default: throw words.error("at or every instead of \(word)")
    }
  }
}
