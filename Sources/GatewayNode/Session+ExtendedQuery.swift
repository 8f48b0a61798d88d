import Basics
import Catalog
import ClusterClient
import EventLoop
import PostgresProtocol
import SQLExpressions
import SQLPlanner
import SQLSyntax
import SQLValues

extension Session {
  // MARK: - Parse

  func parse(_ message: FrontendMessage.Parse) async throws(SQLError) {
    if !message.name.isEmpty {
      guard statements[message.name] == nil else {
        throw SQLError(SQLState("42P05"), "prepared statement \"\(message.name)\" already exists")
      }
      guard statements.count < Self.maximumNamedObjects else {
        throw SQLError(.programLimitExceeded, "too many prepared statements")
      }
    }
    let control = beginStatement(message.text)
    defer { endStatement() }
    let prepared = try await prepare(message.text, message.parameterTypes, control)
    statements[message.name] = NamedStatement(
      prepared: prepared, textBytes: message.text.utf8.count, searchPath: settings.searchPath)
    client.writer.parseComplete()
  }

  /// Nil for a blank query string.
  func prepare(
    _ text: String, _ typeIDs: [UInt32], _ control: StatementControl
  ) async throws(SQLError) -> PreparedStatement? {
    let key = cacheKey(text, typeIDs)
    // What the block's own schema makes of a text is nobody else's.
    if transactionSchema == nil, let cached = gateway.planCache.find(key) {
      if !cached.endsTransaction { try block.requireRunnable() }
      if cached.isPlanned { try await planAhead(cached, control) }
      return cached
    }
    let parsed = try await gateway.parser.parse(text)
    guard parsed.count <= 1 else {
      throw SQLError(.syntaxError, "cannot insert multiple commands into a prepared statement")
    }
    guard let first = parsed.first else { return nil }
    let prepared = PreparedStatement(first, declaredTypes: try types(typeIDs))
    if !prepared.endsTransaction { try block.requireRunnable() }
    if prepared.isPlanned {
      try await planAhead(prepared, control)
      if transactionSchema == nil { gateway.planCache.insert(key, prepared) }
    }
    return prepared
  }

  private func types(_ typeIDs: [UInt32]) throws(SQLError) -> [SQLType?] {
    var types: [SQLType?] = []
    for id in typeIDs {
      if id == 0 || id == SQLType.unknown.oid {
        types.append(nil)
        continue
      }
      guard let type = SQLType(oid: id) ?? enumeratedType(id) else {
        throw SQLError.unsupported("the parameter type with object id \(id)")
      }
      types.append(type)
    }
    return types
  }

  /// The newest catalog that is here, with the changes of the session's own block.
  private var newestCatalog: CatalogView? { transactionSchema?.catalog ?? gateway.cluster.connection.history?.latest }

  private func enumeratedType(_ id: UInt32) -> SQLType? {
    guard let catalog = newestCatalog else { return nil }
    return catalog.types.lazy.compactMap { catalog.enumType($0.id) }.first { $0.oid == id }.map { .enumerated($0) }
  }

  /// With the labels that an enumerated type has now.
  private func current(_ type: SQLType) -> SQLType {
    guard case .enumerated(let enumeration) = type else { return type }
    return newestCatalog?.enumType(enumeration.id).map { .enumerated($0) } ?? type
  }

  /// Plans with the newest catalog that is here, so that parameters and columns can be described; if that fails, with the
  /// newest there is.
  func planAhead(_ prepared: PreparedStatement, _ control: StatementControl) async throws(SQLError) {
    // There is nothing to describe, and one that is sent again need not fit any more.
    if prepared.isSchemaChange, !settings["theseus.operation_id"].isEmpty { return }
    if let own = transactionSchema {
      _ = try currentPlan(prepared, own.catalog)
      return
    }
    guard let catalog = gateway.cluster.connection.history?.latest else {
      throw SQLError(.cannotConnectNow, "this gateway has no catalog yet")
    }
    if let resolve = SystemTime.resolver(prepared.parsed.asOf ?? transactionModes.asOf) {
      let now = try await gateway.cluster.timestamps.read(deadline: control.callDeadline).timestamp
      var then = try resolve(now)
      if let block = transaction?.snapshot { then = block.timestamp }
      guard let history = gateway.cluster.connection.history else { return }
      _ = try currentPlan(prepared, try history.catalog(asOf: then))
      return
    }
    do throws(SQLError) {
      _ = try currentPlan(prepared, catalog)
    } catch {
      let before = catalog.schemaIndex
      _ = try await gateway.cluster.timestamps.read(deadline: control.callDeadline)
      guard let newer = gateway.cluster.connection.history?.latest, newer.schemaIndex > before else { throw error }
      _ = try currentPlan(prepared, newer)
    }
  }

  /// As its names are found now: the plan of one that was prepared under another search path no longer holds.
  private func namedStatement(_ name: String) -> NamedStatement? {
    guard let known = statements[name], known.searchPath != settings.searchPath, let prepared = known.prepared,
      var plan = prepared.plan
    else { return statements[name] }
    plan.namespacesIndex = SchemaIndex(rawValue: .max)
    let again = PreparedStatement(prepared.parsed, declaredTypes: plan.parameterTypes)
    again.plan = plan
    let named = NamedStatement(prepared: again, textBytes: known.textBytes, searchPath: settings.searchPath)
    statements[name] = named
    return named
  }

  // MARK: - Bind

  /// A label that this gateway does not know, or does not know to be good for use: others may be ahead.
  func bindKnowingLabels(_ message: FrontendMessage.Bind) async throws(SQLError) {
    do throws(SQLError) { try bind(message) } catch {
      guard error.state == .invalidTextRepresentation || error.state == .unsafeNewEnumValueUsage,
        transactionSchema == nil, let before = newestCatalog?.schemaIndex,
        let prepared = namedStatement(message.statement)?.prepared,
        prepared.plan?.parameterTypes.contains(where: \.isEnumerated) == true
      else { throw error }
      let control = beginStatement(prepared.parsed.text)
      defer { endStatement() }
      _ = try await gateway.cluster.timestamps.read(deadline: control.callDeadline)
      guard let newer = newestCatalog?.schemaIndex, newer > before else { throw error }
      try bind(message)
    }
  }

  func bind(_ message: FrontendMessage.Bind) throws(SQLError) {
    guard let named = namedStatement(message.statement) else { throw Self.unknownStatement(message.statement) }
    if !message.portal.isEmpty {
      guard portals[message.portal] == nil else {
        throw SQLError(SQLState("42P03"), "cursor \"\(message.portal)\" already exists")
      }
      guard portals.count < Self.maximumNamedObjects else {
        throw SQLError(.programLimitExceeded, "too many portals")
      }
    }
    if let prepared = named.prepared, !prepared.endsTransaction { try block.requireRunnable() }
    let types = (named.prepared?.plan?.parameterTypes ?? []).map(current)
    guard message.parameters.count == types.count else {
      throw SQLError(
        .protocolViolation,
        "bind message supplies \(message.parameters.count) parameters, but prepared statement \"\(message.statement)\" requires \(types.count)"
      )
    }
    var parameters: [Datum] = []
    parameters.reserveCapacity(types.count)
    for (position, type) in types.enumerated() {
      guard let bytes = message.parameters[position] else {
        parameters.append(.null)
        continue
      }
      switch message.parameterFormat(at: position) {
      case .text: parameters.append(try Self.parseText(bytes, as: type, now: gateway.currentTime))
      case .binary: parameters.append(try Datum.parseBinary(bytes, as: type))
      }
    }
    let columns = named.prepared.flatMap { describedColumns($0) }
    if message.resultFormats.count > 1, message.resultFormats.count != (columns?.count ?? 0) {
      throw SQLError(
        .protocolViolation,
        "bind message has \(message.resultFormats.count) result formats but query has \(columns?.count ?? 0) columns")
    }
    let portal = Portal(named.prepared, parameters: parameters, resultFormats: message.resultFormats)
    portal.describedColumns = columns
    portals[message.portal] = portal
    client.writer.bindComplete()
  }

  private static func parseText(
    _ bytes: ArraySlice<UInt8>, as type: SQLType, now: Int64
  ) throws(SQLError) -> Datum {
    guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
      throw SQLError(.characterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"")
    }
    return try Datum.parse(text, as: type, now: now)
  }

  static func unknownStatement(_ name: String) -> SQLError {
    SQLError(
      .invalidStatementName,
      name.isEmpty ? "unnamed prepared statement does not exist" : "prepared statement \"\(name)\" does not exist")
  }

  static func unknownPortal(_ name: String) -> SQLError {
    SQLError(.invalidCursorName, "portal \"\(name)\" does not exist")
  }

  // MARK: - Describe

  func describe(_ target: StatementOrPortal) throws(SQLError) {
    switch target {
    case .statement(let name):
      guard let named = namedStatement(name) else { throw Self.unknownStatement(name) }
      client.writer.parameterDescription(named.prepared?.plan?.parameterTypes.map(\.oid) ?? [])
      describe(named.prepared.flatMap { describedColumns($0) }, [])
    case .portal(let name):
      guard let portal = portals[name] else { throw Self.unknownPortal(name) }
      describe(portal.describedColumns, portal.resultFormats)
    }
  }

  private func describe(_ columns: [ResultColumn]?, _ formats: [ValueFormat]) {
    guard let columns else { return client.writer.noData() }
    client.writer.rowDescription(RowOutput.fields(columns, formats))
  }

  /// The columns that executing it yields; nil: no rows.
  func describedColumns(_ prepared: PreparedStatement) -> [ResultColumn]? {
    prepared.isPlanned ? prepared.plan?.resultColumns : UtilityColumns.columns(of: prepared.statement)
  }

  // MARK: - Execute

  func execute(_ name: String, rowLimit: Int) async throws(SQLError) {
    guard let portal = portals[name] else { throw Self.unknownPortal(name) }
    guard let prepared = portal.statement else {
      client.writer.emptyQueryResponse()
      return
    }
    if !prepared.endsTransaction { try block.requireRunnable() }
    let control = beginStatement(prepared.parsed.text)
    defer { endStatement() }
    let output = RowOutput(client, formats: portal.resultFormats, describesRows: false)
    let result: ExecutionResult
    switch portal.progress {
    case .finished(let tag):
      // A portal that is done yields nothing more.
      return client.writer.commandComplete(tag.hasPrefix("SELECT") ? "SELECT 0" : tag)
    case .suspended(let run):
      output.begin(portal.describedColumns ?? [])
      result = try await resume(run, output, rowLimit: rowLimit, control)
    case .bound:
      // Alone up to Sync: a transaction of its own, which may be run again. Else part of the pipeline's.
      let isAlone = rowLimit == 0 && client.peekEvent() == .message(.sync)
      if !isAlone, prepared.isPlanned { block.enterImplicit() }
      result = try await execute(
        prepared, parameters: portal.parameters, output, rowLimit: rowLimit,
        describedColumns: .some(portal.describedColumns), control)
    }
    switch result {
    case .finished(let tag):
      portal.progress = .finished(tag: tag)
      client.writer.commandComplete(tag)
      gateway.metrics.executed(since: statementStart)
    case .suspended(let run):
      portal.progress = .suspended(run)
      client.writer.portalSuspended()
    }
  }

  // MARK: - Close and Sync

  func close(_ target: StatementOrPortal) {
    switch target {
    case .statement(let name): statements[name] = nil
    case .portal(let name): portals[name] = nil
    }
  }

  func sync() async {
    isSkippingToSync = false
    let control = beginStatement(statementText)
    do throws(SQLError) {
      try await endImplicitTransaction(control)
    } catch {
      client.writer.errorResponse(error)
      gateway.metrics.failed(error)
    }
    endStatement()
    await readyForQuery()
  }
}
