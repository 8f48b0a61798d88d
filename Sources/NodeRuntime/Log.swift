import EventLoop
import Glibc
import Synchronization

/// The log of the process: one line an event, `2026-11-21T03:04:05.678Z INFO module message key=value`.
///
/// May be called from any thread. A line is one `write`, so lines never mix.
public enum Log {
  public enum Level: Int, Sendable, CaseIterable, Comparable {
    case debug, info, warning, error

    public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    var name: String {
      switch self {
      case .debug: "DEBUG"
      case .info: "INFO"
      case .warning: "WARNING"
      case .error: "ERROR"
      }
    }
    init?(_ name: String) {
      guard let level = Level.allCases.first(where: { $0.name.lowercased() == name }) else { return nil }
      self = level
    }
  }

  private static let minimum = Atomic<Int>(Level.info.rawValue)
  private static let descriptor = Atomic<Int32>(STDERR_FILENO)

  /// Lines below `level` are dropped.
  public static func setLevel(_ level: Level) { minimum.store(level.rawValue, ordering: .relaxed) }

  public static func isEnabled(_ level: Level) -> Bool { level.rawValue >= minimum.load(ordering: .relaxed) }

  /// Appends to a file instead of stderr. False when it cannot be opened.
  public static func open(file path: String) -> Bool {
    let file = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
    if file < 0 { return false }
    let old = descriptor.exchange(file, ordering: .sequentiallyConsistent)
    if old != STDERR_FILENO { close(old) }
    return true
  }

  public static func debug(_ module: String, _ message: String, _ values: KeyValuePairs<String, String> = [:]) {
    write(.debug, module, message, values)
  }
  public static func info(_ module: String, _ message: String, _ values: KeyValuePairs<String, String> = [:]) {
    write(.info, module, message, values)
  }
  public static func warning(_ module: String, _ message: String, _ values: KeyValuePairs<String, String> = [:]) {
    write(.warning, module, message, values)
  }
  public static func error(_ module: String, _ message: String, _ values: KeyValuePairs<String, String> = [:]) {
    write(.error, module, message, values)
  }

  private static func write(
    _ level: Level, _ module: String, _ message: String, _ values: KeyValuePairs<String, String>
  ) {
    if !isEnabled(level) { return }
    var line = "\(timestamp(EventLoop.wallClockMilliseconds)) \(level.name) \(module) \(singleLine(message))"
    for (key, value) in values { line += " \(key)=\(quoted(value))" }
    if let world = EventLoop.world { return EventLoopActor.assumeIsolated { world.log(line) } }
    line += "\n"
    let file = descriptor.load(ordering: .relaxed)
    line.withUTF8 { bytes in
      guard let base = bytes.baseAddress else { return }
      while Glibc.write(file, base, bytes.count) < 0, errno == EINTR {}
    }
  }

  /// ISO 8601 in UTC with milliseconds.
  static func timestamp(_ milliseconds: UInt64) -> String {
    var seconds = time_t(truncatingIfNeeded: milliseconds / 1000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    let date =
      "\(digits(Int(parts.tm_year) + 1900, 4))-\(digits(Int(parts.tm_mon) + 1, 2))-\(digits(Int(parts.tm_mday), 2))"
    let time = "\(digits(Int(parts.tm_hour), 2)):\(digits(Int(parts.tm_min), 2)):\(digits(Int(parts.tm_sec), 2))"
    return "\(date)T\(time).\(digits(Int(milliseconds % 1000), 3))Z"
  }

  private static func digits(_ value: Int, _ count: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, count - text.count)) + text
  }

  private static func singleLine(_ text: String) -> String {
    text.utf8.contains { $0 < 0x20 } ? String(text.map { $0.isNewline ? " " : $0 }) : text
  }

  /// In quotes when the value would not read as one word.
  static func quoted(_ value: String) -> String {
    let isPlain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x3d && $0 != 0x7f }
    if isPlain { return value }
    var result = "\""
    for character in value.prefix(4096) {
      switch character {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      default: result.append(character)
      }
    }
    return result + "\""
  }
}

/// The process-wide log behind `runtime.log`.
public struct Logger: Sendable {
  public func debug(_ module: String, _ message: String, _ values: KeyValuePairs<String, String> = [:]) {
    Log.debug(module, message, values)
  }
  public func info(_ module: String, _ message: String, _ values: KeyValuePairs<String, String> = [:]) {
    Log.info(module, message, values)
  }
  public func warning(_ module: String, _ message: String, _ values: KeyValuePairs<String, String> = [:]) {
    Log.warning(module, message, values)
  }
  public func error(_ module: String, _ message: String, _ values: KeyValuePairs<String, String> = [:]) {
    Log.error(module, message, values)
  }
}
