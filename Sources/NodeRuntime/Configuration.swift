import Basics
import EventLoop

/// A setting that is wrong: one sentence for the operator; programs end with exit code 2.
public struct ConfigurationError: Error, Hashable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// Names a declared option; `configuration[option]` is its value.
public struct Option<Value: Sendable>: Sendable {
  public let name: String
  let fallback: Value
}

/// The options of a program, declared once; `--help`, flags, environment and file all follow from the declaration.
///
/// A value comes from the first of: flag `--name value` or `--name=value`; environment variable `THESEUS_NAME` (upper
/// case, `_` for `-`); line `name = value` of the file that `--config` names (`#` starts a comment); default.
public struct ConfigurationOptions: Sendable {
  struct Declaration: Sendable {
    let name: String
    /// What the value looks like: "FILE", "HOST:PORT", "true|false".
    let form: String
    let help: String
    let defaultText: String
    let isFlag: Bool
    let parse: @Sendable (String) -> (any Sendable)?
  }

  private(set) var declarations: [Declaration] = []

  public init() {}

  /// Declares an option with a parser of its own; `parse` answers nil for what it refuses.
  public mutating func custom<Value: Sendable>(
    _ name: String, form: String, default fallback: Value, text: String? = nil, help: String,
    parse: @escaping @Sendable (String) -> Value?
  ) -> Option<Value> {
    declare(name, form, help, text ?? "\(fallback)", isFlag: false, parse)
    return Option(name: name, fallback: fallback)
  }

  public mutating func string(
    _ name: String, default fallback: String, form: String = "TEXT", help: String
  ) -> Option<String> { custom(name, form: form, default: fallback, help: help) { $0 } }

  public mutating func integer(
    _ name: String, default fallback: Int, in range: ClosedRange<Int> = 0...Int.max, help: String
  ) -> Option<Int> {
    custom(name, form: "NUMBER", default: fallback, help: help) { text in
      Int(text).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// As a flag the value may be left out: `--name` means true.
  public mutating func boolean(_ name: String, default fallback: Bool, help: String) -> Option<Bool> {
    declare(name, "true|false", help, "\(fallback)", isFlag: true) { text in
      switch text.lowercased() {
      case "true", "on", "yes", "1": true
      case "false", "off", "no", "0": false
      default: nil
      }
    }
    return Option(name: name, fallback: fallback)
  }

  /// `250ms`, `2s`, `5m`, `1h`; a bare number is milliseconds.
  public mutating func duration(_ name: String, default fallback: Duration, help: String) -> Option<Duration> {
    custom(
      name, form: "DURATION", default: fallback, text: ConfigurationText.duration(fallback), help: help,
      parse: ConfigurationText.duration)
  }

  /// `4096`, `64KiB`, `16MiB`, `1GiB`.
  public mutating func bytes(
    _ name: String, default fallback: Int, in range: ClosedRange<Int> = 0...Int.max, help: String
  ) -> Option<Int> {
    custom(name, form: "BYTES", default: fallback, text: ConfigurationText.bytes(fallback), help: help) { text in
      ConfigurationText.bytes(text).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  public mutating func endpoint(_ name: String, default fallback: Endpoint, help: String) -> Option<Endpoint> {
    custom(name, form: "HOST:PORT", default: fallback, help: help) { Endpoint($0) }
  }

  /// An endpoint that may be absent (empty).
  public mutating func optionalEndpoint(_ name: String, help: String) -> Option<Endpoint?> {
    declare(name, "HOST:PORT", help, "", isFlag: false) { text -> Endpoint?? in
      text.isEmpty ? .some(nil) : Endpoint(text).map { .some($0) }
    }
    return Option(name: name, fallback: nil)
  }

  /// Endpoints separated by commas.
  public mutating func endpoints(_ name: String, default fallback: [Endpoint] = [], help: String) -> Option<[Endpoint]>
  {
    let text = fallback.map(\.description).joined(separator: ",")
    return custom(name, form: "HOST:PORT,…", default: fallback, text: text, help: help) { text in
      var result: [Endpoint] = []
      for part in text.split(separator: ",") {
        guard let endpoint = Endpoint(ConfigurationText.trimmed(part)) else { return nil }
        result.append(endpoint)
      }
      return result
    }
  }

  /// One of several words.
  public mutating func choice(
    _ name: String, _ words: [String], default fallback: String, help: String
  ) -> Option<String> {
    custom(name, form: words.joined(separator: "|"), default: fallback, help: help) { words.contains($0) ? $0 : nil }
  }

  private mutating func declare<Value: Sendable>(
    _ name: String, _ form: String, _ help: String, _ defaultText: String, isFlag: Bool,
    _ parse: @escaping @Sendable (String) -> Value?
  ) {
    precondition(!declarations.contains { $0.name == name }, "option \(name) is declared twice")
    declarations.append(
      Declaration(name: name, form: form, help: help, defaultText: defaultText, isFlag: isFlag) { text in
        parse(text).map { $0 as any Sendable }
      })
  }
}

/// The values of a program's options.
public struct Configuration: Sendable {
  var values: [String: any Sendable] = [:]

  public subscript<Value>(_ option: Option<Value>) -> Value { values[option.name] as? Value ?? option.fallback }

  /// True when a flag, the environment or the file names the option.
  public func isSet<Value>(_ option: Option<Value>) -> Bool { values[option.name] != nil }
}
