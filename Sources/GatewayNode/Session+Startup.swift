import Basics
import EventLoop
import PostgresProtocol

extension Session {
  /// Answers the start-up message. False: the connection is closed.
  func start(_ startup: StartupParameters) async -> Bool {
    if startup.minorVersion > 0 || !startup.protocolOptions.isEmpty {
      client.writer.negotiateProtocolVersion(newestMinor: 0, unknownOptions: startup.protocolOptions)
    }
    guard let user = startup["user"], !user.isEmpty else {
      client.close(SQLError(.invalidAuthorization, "no PostgreSQL user name specified in startup packet"))
      return false
    }
    userName = user
    // A client that names no database gets its user's in PostgreSQL; here every cluster has a first one for all.
    databaseNameAtStart = startup["database"].map { $0.isEmpty ? user : $0 } ?? "defaultdb"
    do throws(SQLError) {
      databaseID = try await gateway.database(named: databaseNameAtStart)
    } catch {
      client.close(error)
      return false
    }
    if client.isClosed { return false }
    if let replication = startup["replication"], !["false", "off", "no", "0"].contains(replication.lowercased()) {
      client.close(SQLError.unsupported("the replication protocol"))
      return false
    }
    for parameter in startup.parameters { applyStartParameter(parameter) }
    settings.setInternally("session_authorization", userName)
    settings.setInternally("theseus.node_id", "\(gateway.cluster.connection.nodeID)")
    client.writer.authenticationOk()
    for name in SessionSettings.reportedNames { client.writer.parameterStatus(name, settings[name]) }
    client.writer.backendKeyData(processID: processID, secretKey: secretKey)
    client.writer.readyForQuery(.idle)
    client.flush()
    return true
  }

  private func applyStartParameter(_ parameter: StartupParameters.Parameter) {
    switch parameter.name {
    case "user", "database", "replication": return
    case "options":
      for (name, value) in Self.parseOptions(parameter.value) { setAtStart(name, value) }
    default:
      if !parameter.name.hasPrefix("_pq_.") { setAtStart(parameter.name, parameter.value) }
    }
  }

  /// What cannot be had (another time zone, another encoding) is not a reason to refuse a client: it stays as it is, and
  /// ParameterStatus tells.
  private func setAtStart(_ name: String, _ value: String) {
    var trial = settings
    guard (try? trial.set(name, value, isLocal: false)) != nil else { return }
    settings.setAtStart(SessionSettings.canonical(name), trial[name])
  }

  /// `-c name=value` and `--name=value`, blanks escaped by backslashes.
  nonisolated static func parseOptions(_ text: String) -> [(name: String, value: String)] {
    var words: [String] = []
    var current = ""
    var isEscaped = false
    for character in text {
      if isEscaped {
        current.append(character)
        isEscaped = false
      } else if character == "\\" {
        isEscaped = true
      } else if character == " " {
        if !current.isEmpty { words.append(current) }
        current = ""
      } else {
        current.append(character)
      }
    }
    if !current.isEmpty { words.append(current) }
    var result: [(name: String, value: String)] = []
    var position = 0
    while position < words.count {
      var word = words[position]
      position += 1
      if word == "-c", position < words.count {
        word = words[position]
        position += 1
      } else if word.hasPrefix("-c") {
        word = String(word.dropFirst(2))
      } else if word.hasPrefix("--") {
        word = String(word.dropFirst(2))
      } else {
        continue
      }
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 {
        result.append((name: String(parts[0].map { $0 == "-" ? "_" : $0 }), value: String(parts[1])))
      }
    }
    return result
  }
}
