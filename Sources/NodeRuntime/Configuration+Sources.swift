import Glibc

extension ConfigurationOptions {
  /// What a command line asks for.
  public enum Request: Sendable {
    case run(Configuration)
    case help
    case version
  }

  /// Reads flags, environment and file. `readFile` answers the text of the configuration file, nil when it cannot be
  /// read.
  public func parse(
    arguments: [String], environment: [String: String], readFile: (String) -> String? = readTextFile
  ) throws(ConfigurationError) -> Request {
    var flags: [(String, String)] = []
    var file: String?
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if argument == "--help" || argument == "-h" { return .help }
      if argument == "--version" { return .version }
      guard argument.hasPrefix("--") else { throw ConfigurationError("\"\(argument)\" is not expected; see --help") }
      var name = String(argument.dropFirst(2))
      var value: String?
      if let equals = name.firstIndex(of: "=") {
        value = String(name[name.index(after: equals)...])
        name = String(name[..<equals])
      }
      let declaration = declarations.first { $0.name == name }
      guard declaration != nil || name == "config" else { throw ConfigurationError("--\(name) is no flag; see --help") }
      if value == nil, declaration?.isFlag == true, rest.first.map({ $0.hasPrefix("--") }) ?? true { value = "true" }
      if value == nil {
        guard let next = rest.popFirst() else { throw ConfigurationError("--\(name) needs a value") }
        value = next
      }
      if name == "config" { file = value } else { flags.append((name, value ?? "")) }
    }

    var configuration = Configuration()
    file = file ?? environment["THESEUS_CONFIG"]
    if let file {
      guard let text = readFile(file) else { throw ConfigurationError("cannot read the configuration file \(file)") }
      try apply(fileText: text, name: file, to: &configuration)
    }
    for declaration in declarations {
      let variable = Self.variable(declaration.name)
      if let value = environment[variable] { try set(declaration.name, value, "\(variable)", &configuration) }
    }
    for (name, value) in flags { try set(name, value, "--\(name)", &configuration) }
    return .run(configuration)
  }

  private func apply(
    fileText: String, name file: String, to configuration: inout Configuration
  ) throws(ConfigurationError) {
    let lines = fileText.split(separator: "\n", omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let content = ConfigurationText.trimmed(line.prefix { $0 != "#" })
      if content.isEmpty { continue }
      let place = "\(file), line \(index + 1)"
      guard let equals = content.firstIndex(of: "=") else {
        throw ConfigurationError("\(place): \"\(content)\" is not of the form name = value")
      }
      let name = ConfigurationText.trimmed(content[..<equals])
      guard declarations.contains(where: { $0.name == name }) else {
        throw ConfigurationError("\(place): \(name) is no option; see --help")
      }
      let value = ConfigurationText.trimmed(content[content.index(after: equals)...])
      try set(name, value, "\(place): \(name)", &configuration)
    }
  }

  private func set(
    _ name: String, _ text: String, _ place: String, _ configuration: inout Configuration
  ) throws(ConfigurationError) {
    guard let declaration = declarations.first(where: { $0.name == name }) else { return }
    guard let value = declaration.parse(text) else {
      throw ConfigurationError("\(place) must be \(declaration.form), not \"\(text)\"")
    }
    configuration.values[name] = value
  }

  static func variable(_ name: String) -> String {
    "THESEUS_" + String(name.uppercased().map { $0 == "-" ? "_" : $0 })
  }

  /// What `--help` prints.
  public func help(program: String) -> String {
    var text = "\(program): part of Theseus, a distributed SQL database.\n\nUsage: \(program) [--name value]...\n\n"
    text += "Each option is also read from the environment (--data-directory: THESEUS_DATA_DIRECTORY) and from lines\n"
    text +=
      "\"data-directory = value\" of the file given by --config; flags come first, then environment, then file.\n\n"
    let common = [
      ("--config FILE", "configuration file", ""), ("--help", "print this", ""), ("--version", "print the version", ""),
    ]
    let rows = declarations.map { ("--\($0.name) \($0.form)", $0.help, $0.defaultText) } + common
    for (flag, help, fallback) in rows {
      text += "  \(flag)\n      \(help)\(fallback.isEmpty ? "" : " (default: \(fallback))")\n"
    }
    return text
  }
}

/// The text of a file; nil when it cannot be read, is longer than 1 MiB, or is not UTF-8.
public func readTextFile(_ path: String) -> String? {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 64 << 10)
  while bytes.count <= 1 << 20 {
    let count = read(descriptor, &chunk, chunk.count)
    if count < 0 { return nil }
    if count == 0 { return String(validating: bytes, as: UTF8.self) }
    bytes += chunk[..<count]
  }
  return nil
}
