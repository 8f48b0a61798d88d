import Glibc

/// The flags of one command: what they mean, and their values from the command line, the environment and a
/// configuration file, in this order of precedence.
struct FlagSet: Sendable {
  struct Flag: Hashable, Sendable {
    var name: String
    var defaultValue: String?
    /// Placeholder shown by `--help`; empty for a switch.
    var placeholder: String
    var help: String
  }

  let command: String
  let summary: String
  private(set) var flags: [Flag] = []
  /// Name of the one argument without dashes, such as NAME.
  let positional: String?
  /// Paragraphs behind the list of flags.
  private(set) var notes = ""

  init(_ command: String, _ summary: String, positional: String? = nil) {
    self.command = command
    self.summary = summary
    self.positional = positional
  }

  func option(_ name: String, _ placeholder: String, default value: String? = nil, _ help: String) -> FlagSet {
    var copy = self
    copy.flags.append(Flag(name: name, defaultValue: value, placeholder: placeholder, help: help))
    return copy
  }

  func flag(_ name: String, _ help: String) -> FlagSet { option(name, "", default: "false", help) }

  func with(notes: String) -> FlagSet {
    var copy = self
    copy.notes = notes
    return copy
  }

  var helpText: String {
    var lines = ["usage: theseus \(command)" + (positional.map { " \($0)" } ?? "") + " [flags]", summary, ""]
    let help = Flag(name: "help", defaultValue: nil, placeholder: "", help: "show this text")
    let file = Flag(
      name: "config", defaultValue: nil, placeholder: "FILE", help: "read flags from lines `name = value`")
    for flag in flags + [file, help] {
      let left = "  --\(flag.name)" + (flag.placeholder.isEmpty ? "" : " \(flag.placeholder)")
      let padding = String(repeating: " ", count: max(2, 28 - left.count))
      let given = flag.defaultValue.flatMap { flag.placeholder.isEmpty ? nil : " (default \($0))" } ?? ""
      lines.append(left + padding + flag.help + given)
    }
    lines.append("")
    if !notes.isEmpty { lines += [notes, ""] }
    lines.append("Every flag may also come from the environment: --port-base is THESEUS_PORT_BASE.")
    return lines.joined(separator: "\n")
  }

  /// - Returns: nil when `--help` was asked for.
  func parse(_ arguments: ArraySlice<String>) throws(ToolError) -> FlagValues? {
    var given: [String: String] = [:]
    var positionals: [String] = []
    var rest = arguments
    while let argument = rest.popFirst() {
      if argument == "--help" || argument == "-h" { return nil }
      guard argument.hasPrefix("--") else {
        positionals.append(argument)
        continue
      }
      let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = parts.first.map(String.init) ?? ""
      let known = name == "config" ? Flag(name: name, placeholder: "FILE", help: "") : try find(name)
      if parts.count == 2 {
        given[name] = String(parts[1])
      } else if known.placeholder.isEmpty {
        given[name] = "true"
      } else if let value = rest.popFirst() {
        given[name] = value
      } else {
        throw .usage("--\(name) needs a value")
      }
    }
    if let extra = positionals.dropFirst(positional == nil ? 0 : 1).first {
      throw .usage("\"\(extra)\" is not understood; see theseus \(command) --help")
    }
    if let positional, positionals.isEmpty {
      throw .usage("\(positional) is missing: theseus \(command) \(positional)")
    }
    var values = try fileValues(given["config"])
    for flag in flags { if let value = Self.environment(flag.name) { values[flag.name] = value } }
    values.merge(given) { $1 }
    for flag in flags where values[flag.name] == nil { values[flag.name] = flag.defaultValue }
    return FlagValues(values: values, positional: positionals.first)
  }

  private func find(_ name: String) throws(ToolError) -> Flag {
    guard let flag = flags.first(where: { $0.name == name }) else {
      throw .usage("--\(name) is no flag of theseus \(command); see theseus \(command) --help")
    }
    return flag
  }

  private func fileValues(_ path: String?) throws(ToolError) -> [String: String] {
    guard let path else { return [:] }
    var values: [String: String] = [:]
    let text = String(decoding: try FileSystem.read(path), as: UTF8.self)
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let content = line.prefix { $0 != "#" }.trimmed
      if content.isEmpty { continue }
      let parts = content.split(separator: "=", maxSplits: 1)
      guard parts.count == 2 else { throw .usage("\(path), line \(number + 1): expected `name = value`") }
      values[try find(parts[0].trimmed).name] = parts[1].trimmed
    }
    return values
  }

  private static func environment(_ name: String) -> String? {
    let variable = "THESEUS_" + name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    guard let value = getenv(variable) else { return nil }
    return String(cString: value)
  }
}

/// The values a command was called with.
struct FlagValues: Sendable {
  let values: [String: String]
  let positional: String?

  func string(_ name: String) throws(ToolError) -> String {
    guard let value = values[name], !value.isEmpty else { throw .usage("--\(name) is missing") }
    return value
  }

  func optional(_ name: String) -> String? { values[name].flatMap { $0.isEmpty ? nil : $0 } }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(ToolError) -> Int {
    let text = try string(name)
    guard let value = Int(text), range.contains(value) else {
      throw .usage("--\(name) must be a number from \(range.lowerBound) to \(range.upperBound), not \"\(text)\"")
    }
    return value
  }

  func boolean(_ name: String) throws(ToolError) -> Bool {
    switch try string(name) {
    case "true", "yes", "on", "1": return true
    case "false", "no", "off", "0": return false
    case let other: throw .usage("--\(name) must be true or false, not \"\(other)\"")
    }
  }
}

extension StringProtocol {
  /// Without blanks at both ends.
  var trimmed: String {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" || $0 == "\n" }
    var rest = self[...]
    while let first = rest.first, isBlank(first) { rest.removeFirst() }
    while let last = rest.last, isBlank(last) { rest.removeLast() }
    return String(rest)
  }
}
