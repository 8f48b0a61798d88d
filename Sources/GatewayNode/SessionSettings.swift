import Basics

/// The run-time settings of one session: names and meanings are PostgreSQL's, plus `theseus.*`.
struct SessionSettings {
  /// What a setting may hold.
  enum Kind: Hashable {
    case boolean
    case integer(ClosedRange<Int>)
    /// Kept in milliseconds; `SET` takes units.
    case milliseconds
    /// One of these, in any case.
    case choice([String])
    case text
    /// Cannot be changed.
    case readOnly
    /// Only these spellings, because nothing else is built.
    case fixed([String])
  }

  struct Definition {
    let name: String
    let kind: Kind
    let defaultValue: String
    /// Told to the client at the start and on change.
    var isReported = false
  }

  /// Own settings (`name.name`) that a session may invent.
  static let maximumCustomSettings = 100
  static let maximumValueBytes = 8192

  private static let isolationLevels = ["read uncommitted", "read committed", "repeatable read", "serializable"]

  static let definitions: [String: Definition] = {
    let list: [Definition] = [
      Definition(name: "server_version", kind: .readOnly, defaultValue: "15.0", isReported: true),
      Definition(name: "server_version_num", kind: .readOnly, defaultValue: "150000"),
      Definition(name: "server_encoding", kind: .readOnly, defaultValue: "UTF8", isReported: true),
      Definition(
        name: "client_encoding", kind: .fixed(["UTF8", "UTF-8", "UNICODE"]), defaultValue: "UTF8", isReported: true),
      Definition(
        name: "DateStyle", kind: .fixed(["ISO", "ISO, MDY", "ISO,MDY"]), defaultValue: "ISO, MDY", isReported: true),
      Definition(name: "IntervalStyle", kind: .fixed(["postgres"]), defaultValue: "postgres", isReported: true),
      Definition(
        name: "TimeZone", kind: .fixed(["UTC", "Etc/UTC", "GMT", "Z", "Zulu", "0"]), defaultValue: "UTC",
        isReported: true),
      Definition(name: "integer_datetimes", kind: .readOnly, defaultValue: "on", isReported: true),
      Definition(
        name: "standard_conforming_strings", kind: .fixed(["on", "true", "1"]), defaultValue: "on", isReported: true),
      Definition(name: "application_name", kind: .text, defaultValue: "", isReported: true),
      Definition(name: "is_superuser", kind: .readOnly, defaultValue: "on", isReported: true),
      Definition(name: "session_authorization", kind: .readOnly, defaultValue: "root", isReported: true),
      Definition(name: "in_hot_standby", kind: .readOnly, defaultValue: "off", isReported: true),
      Definition(name: "default_transaction_read_only", kind: .boolean, defaultValue: "off", isReported: true),
      Definition(
        name: "default_transaction_isolation", kind: .choice(isolationLevels), defaultValue: "read committed"),
      Definition(name: "default_transaction_deferrable", kind: .boolean, defaultValue: "off"),
      Definition(name: "transaction_isolation", kind: .choice(isolationLevels), defaultValue: "read committed"),
      Definition(name: "transaction_read_only", kind: .boolean, defaultValue: "off"),
      Definition(name: "extra_float_digits", kind: .integer(-15...3), defaultValue: "1"),
      Definition(name: "search_path", kind: .text, defaultValue: "\"$user\", public"),
      Definition(name: "statement_timeout", kind: .milliseconds, defaultValue: "0"),
      Definition(name: "lock_timeout", kind: .milliseconds, defaultValue: "0"),
      Definition(name: "idle_in_transaction_session_timeout", kind: .milliseconds, defaultValue: "0"),
      Definition(name: "idle_session_timeout", kind: .milliseconds, defaultValue: "0"),
      Definition(
        name: "client_min_messages",
        kind: .choice(["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"]),
        defaultValue: "notice"),
      Definition(name: "bytea_output", kind: .fixed(["hex"]), defaultValue: "hex"),
      Definition(name: "max_identifier_length", kind: .readOnly, defaultValue: "63"),
      Definition(name: "max_index_keys", kind: .readOnly, defaultValue: "32"),
      Definition(name: "block_size", kind: .readOnly, defaultValue: "8192"),
      Definition(name: "lc_collate", kind: .readOnly, defaultValue: "C"),
      Definition(name: "lc_ctype", kind: .readOnly, defaultValue: "C.UTF-8"),
      Definition(name: "lc_messages", kind: .text, defaultValue: "C"),
      Definition(name: "lc_monetary", kind: .text, defaultValue: "C"),
      Definition(name: "lc_numeric", kind: .text, defaultValue: "C"),
      Definition(name: "lc_time", kind: .text, defaultValue: "C"),
      Definition(name: "row_security", kind: .boolean, defaultValue: "on"),
      Definition(
        name: "synchronous_commit", kind: .fixed(["on", "local", "remote_write", "remote_apply"]), defaultValue: "on"),
      Definition(name: "synchronize_seqscans", kind: .boolean, defaultValue: "on"),
      Definition(name: "check_function_bodies", kind: .boolean, defaultValue: "on"),
      Definition(name: "escape_string_warning", kind: .boolean, defaultValue: "on"),
      Definition(name: "backslash_quote", kind: .text, defaultValue: "safe_encoding"),
      Definition(name: "xmloption", kind: .text, defaultValue: "content"),
      Definition(name: "default_tablespace", kind: .text, defaultValue: ""),
      Definition(name: "default_table_access_method", kind: .text, defaultValue: "heap"),
      Definition(name: "jit", kind: .boolean, defaultValue: "off"),
      Definition(name: "work_mem", kind: .text, defaultValue: "4MB"),
      Definition(name: "plan_cache_mode", kind: .text, defaultValue: "auto"),
      Definition(name: "tcp_keepalives_idle", kind: .text, defaultValue: "0"),
      Definition(name: "theseus.operation_id", kind: .text, defaultValue: ""),
      Definition(name: "theseus.last_job", kind: .readOnly, defaultValue: ""),
      Definition(name: "theseus.ddl_mode", kind: .choice(["wait", "async"]), defaultValue: "wait"),
      // How long a step waits for old transactions; 0: as the metadata service is configured.
      Definition(name: "theseus.ddl_wait", kind: .milliseconds, defaultValue: "0"),
      Definition(name: "theseus.on_block", kind: .choice(OnBlock.allCases.map(\.name)), defaultValue: "abort"),
      Definition(name: "theseus.ddl_on_cancel", kind: .choice(["detach", "cancel"]), defaultValue: "detach"),
      Definition(name: "theseus.node_id", kind: .readOnly, defaultValue: ""),
    ]
    return Dictionary(uniqueKeysWithValues: list.map { ($0.name.lowercased(), $0) })
  }()

  private var values: [String: String] = [:] { didSet { refresh() } }
  /// What `SET LOCAL` and `SET TRANSACTION` hid until the end of the transaction.
  private var localValues: [String: String] = [:] { didSet { refresh() } }
  /// What the client gave at the start: what RESET goes back to.
  private var startValues: [String: String] = [:] { didSet { refresh() } }
  /// Asked for by every statement.
  private(set) var statementTimeoutMilliseconds: UInt64 = 0
  private(set) var lockTimeoutMilliseconds: UInt64 = 0
  private(set) var idleInTransactionTimeoutMilliseconds: UInt64 = 0
  private(set) var idleSessionTimeoutMilliseconds: UInt64 = 0
  private(set) var isReadOnlyByDefault = false
  private(set) var searchPath = Self.definitions["search_path"]?.defaultValue ?? ""

  private mutating func refresh() {
    statementTimeoutMilliseconds = milliseconds("statement_timeout")
    lockTimeoutMilliseconds = milliseconds("lock_timeout")
    idleInTransactionTimeoutMilliseconds = milliseconds("idle_in_transaction_session_timeout")
    idleSessionTimeoutMilliseconds = milliseconds("idle_session_timeout")
    isReadOnlyByDefault = isOn("default_transaction_read_only")
    searchPath = self["search_path"]
  }

  /// Values that a rollback brings back.
  struct Checkpoint {
    fileprivate let values: [String: String]
  }

  var checkpoint: Checkpoint { Checkpoint(values: values) }

  mutating func endTransaction(restoring checkpoint: Checkpoint?) {
    localValues = [:]
    if let checkpoint { values = checkpoint.values }
  }

  // MARK: - Reading

  func value(_ name: String) -> String? {
    let key = name.lowercased()
    return localValues[key] ?? values[key] ?? startValues[key] ?? Self.definitions[key]?.defaultValue
  }

  subscript(name: String) -> String { value(name) ?? "" }

  func milliseconds(_ name: String) -> UInt64 { UInt64(self[name]) ?? 0 }
  func isOn(_ name: String) -> Bool { self[name] == "on" }

  /// Throws 42704 for a name that nobody set.
  func show(_ name: String) throws(SQLError) -> (name: String, value: String) {
    let key = Self.canonical(name)
    guard let value = value(key) else {
      throw SQLError(.undefinedObject, "unrecognized configuration parameter \"\(name)\"")
    }
    let shown = Self.definitions[key]?.name ?? key
    guard case .milliseconds? = Self.definitions[key]?.kind, let number = UInt64(value), number > 0 else {
      return (shown, value)
    }
    return (shown, number % 1000 == 0 ? "\(number / 1000)s" : "\(number)ms")
  }

  /// By name.
  var all: [(name: String, value: String)] {
    var names = Set(Self.definitions.keys)
    names.formUnion(values.keys)
    return names.sorted().compactMap { try? show($0) }
  }

  static func reported(_ name: String) -> String? {
    guard let definition = definitions[name.lowercased()], definition.isReported else { return nil }
    return definition.name
  }

  static var reportedNames: [String] { definitions.values.filter(\.isReported).map(\.name).sorted() }

  /// As `SHOW` heads its column.
  static func displayName(_ name: String) -> String {
    let key = canonical(name)
    return definitions[key]?.name ?? key
  }

  static func canonical(_ name: String) -> String {
    switch name.lowercased() {
    case "time zone": "timezone"
    case "transaction isolation level": "transaction_isolation"
    case "session authorization": "session_authorization"
    case let other: other
    }
  }

  // MARK: - Changing

  mutating func setAtStart(_ name: String, _ value: String) { startValues[name.lowercased()] = value }

  /// What only the server sets.
  mutating func setInternally(_ name: String, _ value: String) { values[name.lowercased()] = value }

  /// nil resets.
  mutating func set(_ name: String, _ value: String?, isLocal: Bool) throws(SQLError) {
    let key = Self.canonical(name)
    guard let value else {
      if Self.definitions[key] == nil, values[key] == nil, !key.contains(".") {
        throw SQLError(.undefinedObject, "unrecognized configuration parameter \"\(name)\"")
      }
      localValues[key] = nil
      if !isLocal { values[key] = nil }
      return
    }
    let checked = try check(key, name, value)
    if isLocal { localValues[key] = checked } else { values[key] = checked }
  }

  mutating func resetAll() {
    values = values.filter { Self.definitions[$0.key]?.kind == .readOnly }
    localValues = [:]
  }

  private func check(_ key: String, _ name: String, _ value: String) throws(SQLError) -> String {
    guard value.utf8.count <= Self.maximumValueBytes else {
      throw SQLError(.invalidParameterValue, "value of parameter \"\(name)\" is too long")
    }
    guard let definition = Self.definitions[key] else {
      guard key.contains(".") else {
        throw SQLError(.undefinedObject, "unrecognized configuration parameter \"\(name)\"")
      }
      guard values[key] != nil || values.count < Self.maximumCustomSettings else {
        throw SQLError(.programLimitExceeded, "too many custom parameters")
      }
      return value
    }
    func invalid() -> SQLError {
      SQLError(.invalidParameterValue, "invalid value for parameter \"\(definition.name)\": \"\(value)\"")
    }
    switch definition.kind {
    case .text:
      guard key != "search_path" || SearchPath.parse(value) != nil else {
        throw SQLError(
          .invalidParameterValue, "invalid value for parameter \"search_path\": \"\(value)\"",
          detail: "List syntax is invalid.")
      }
      return value
    case .readOnly: throw SQLError(SQLState("55P02"), "parameter \"\(definition.name)\" cannot be changed")
    case .boolean:
      switch value.lowercased() {
      case "on", "true", "yes", "1", "t", "y": return "on"
      case "off", "false", "no", "0", "f", "n": return "off"
      default: throw invalid()
      }
    case .integer(let range):
      guard let number = Int(value), range.contains(number) else { throw invalid() }
      return String(number)
    case .milliseconds:
      guard let number = Self.parseMilliseconds(value) else { throw invalid() }
      return String(number)
    case .choice(let choices):
      guard let choice = choices.first(where: { $0 == value.lowercased() }) else { throw invalid() }
      return choice
    case .fixed(let spellings):
      guard spellings.contains(where: { $0.lowercased() == value.lowercased() }) else {
        throw SQLError.unsupported("\(definition.name) = \"\(value)\"")
      }
      return definition.defaultValue
    }
  }

  /// `250`, `250ms`, `2s`, `1min`, `1h`, `1d`.
  static func parseMilliseconds(_ text: String) -> UInt64? {
    let trimmed = text.filter { $0 != " " }
    let digits = trimmed.prefix { $0.isASCII && $0.isNumber }
    guard let number = UInt64(digits), number <= UInt64(Int32.max) else { return nil }
    let factor: UInt64
    switch trimmed.dropFirst(digits.count) {
    case "", "ms": factor = 1
    case "s": factor = 1000
    case "min": factor = 60_000
    case "h": factor = 3_600_000
    case "d": factor = 86_400_000
    default: return nil
    }
    let (product, overflow) = number.multipliedReportingOverflow(by: factor)
    return overflow || product > UInt64(Int32.max) ? nil : product
  }
}
