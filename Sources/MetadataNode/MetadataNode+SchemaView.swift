import Basics
import Catalog
import EventLoop
import Metadata
import RPC
import Wire

/// Who has applied the schema log, and what is in it, for people.
extension MetadataNode {
  /// Entries of one answer, and of what is looked through for one table.
  static let maximumShownEntries = 1_000

  func schemaAgreement(_ reply: RPCReply<SchemaAgreementResponse>) {
    whenConfirmed { [self] refusal in
      if let refusal { return reply.fail(refusal) }
      guard let leader else { return reply.fail(notLeader()) }
      let state = replica.state
      let now = EventLoop.now
      let index = state.catalog.schemaIndex
      let replicas = nodeList().filter { $0.role == .metadata }.map { info in
        // What the others have applied is asked of themselves.
        SchemaAgreementNode(node: info)
      }
      let others = leader.agreement().compactMap { agreement -> SchemaAgreementNode? in
        guard let record = state.nodes[agreement.node] else { return nil }
        return SchemaAgreementNode(
          node: NodeInfo(record, leader: leader, now: now), lagMilliseconds: agreement.lagMilliseconds,
          oldestHeldSchemaIndex: agreement.oldestHeld?.oldestIndex.rawValue ?? 0,
          oldestHeldTableID: agreement.oldestHeld?.table.rawValue ?? 0,
          fencedSchemaIndex: agreement.fence?.rawValue ?? 0, usesSchema: record.role.usesSchema)
      }
      reply.succeed(
        SchemaAgreementResponse(
          schemaIndex: index.rawValue, nodes: replicas + others,
          leaseMilliseconds: settings.leader.leaseMilliseconds))
    }
  }

  func listDropped(_ reply: RPCReply<ListDroppedResponse>) {
    whenConfirmed { [self] refusal in
      if let refusal { return reply.fail(refusal) }
      guard let leader else { return reply.fail(notLeader()) }
      let objects = leader.droppedObjects.map { object, until in
        DroppedObjectInfo(
          kind: object.kind.name, tableID: object.table.rawValue, tableName: object.tableName, name: object.name,
          jobID: object.job.rawValue, droppedMilliseconds: object.droppedMilliseconds, untilMilliseconds: until,
          schemaName: object.schemaName, databaseID: object.database.rawValue)
      }
      reply.succeed(ListDroppedResponse(objects: objects))
    }
  }

  func schemaLog(_ request: SchemaLogRequest, _ reply: RPCReply<SchemaLogResponse>) {
    whenConfirmed { [self] refusal in
      if let refusal { return reply.fail(refusal) }
      let entries = SchemaLogView.entries(
        replica.state, table: request.tableID == 0 ? nil : TableID(request.tableID),
        name: request.tableName.isEmpty ? nil : request.tableName,
        database: request.databaseID == 0 ? nil : DatabaseID(request.databaseID),
        limit: min(
          request.limit == 0 ? Self.maximumShownEntries : Int(request.limit), Self.maximumShownEntries))
      reply.succeed(SchemaLogResponse(entries: entries))
    }
  }
}

/// The part of the schema log that is kept, in words.
enum SchemaLogView {
  /// Newest first. Of a table, by id or name (the one it has, had before or after an entry): the entries that change it.
  static func entries(
    _ state: MetadataState, table: TableID?, name: String?, database: DatabaseID? = nil, limit: Int
  ) -> [SchemaLogEntry] {
    var before: [TableID: TableDescriptor] = [:]
    var namespaces: [NamespaceID: NamespaceDescriptor?] = [:]
    var databases: [DatabaseID: DatabaseDescriptor] = [:]
    var found: [SchemaLogEntry] = []
    state.log.forEach { _, entry in
      var tables: [SchemaLogTable] = []
      for change in entry.changes {
        let old = before[change.tableID]
        before[change.tableID] = change.descriptor
        guard table.map({ $0 == change.tableID }) ?? true,
          name.map({ $0 == old?.name || $0 == change.descriptor?.name }) ?? true,
          name == nil || database == nil || database == (change.descriptor ?? old)?.databaseID
        else { continue }
        tables.append(description(change, before: old))
      }
      for change in entry.namespaceChanges {
        let old = namespaces.updateValue(change.descriptor, forKey: change.id)
        guard table == nil, name == nil else { continue }
        tables.append(description(change, before: old ?? nil))
      }
      for changed in entry.databaseChanges {
        let old = databases.updateValue(changed, forKey: changed.id)
        guard table == nil, name == nil else { continue }
        tables.append(
          SchemaLogTable(
            tableName: changed.name, fromVersion: changed.version.rawValue - 1,
            toVersion: changed.isDropped ? 0 : changed.version.rawValue, changes: changed.sentences(from: old)))
      }
      let isShown = !tables.isEmpty || (table == nil && name == nil)
      if isShown {
        found.append(
          SchemaLogEntry(
            schemaIndex: entry.index.rawValue, timestamp: entry.timestamp.rawValue, jobID: entry.jobID?.rawValue ?? 0,
            operationID: entry.operationID?.text ?? "", tables: tables,
            removedRangeCount: UInt32(clamping: entry.removedRanges.count)))
      }
      return true
    }
    return found.suffix(limit).reversed()
  }

  private static func description(_ change: NamespaceChange, before: NamespaceDescriptor?) -> SchemaLogTable {
    let isKnown = before != nil || change.from == .none
    return SchemaLogTable(
      tableName: change.descriptor?.name ?? before?.name ?? "", fromVersion: change.from.rawValue,
      toVersion: change.descriptor == nil ? 0 : change.from.next.rawValue,
      changes: isKnown
        ? change.sentences(from: before)
        : ["schema \(change.descriptor.map(\.name) ?? "") is changed; what it was is no longer in the log"])
  }

  private static func description(_ change: TableChange, before: TableDescriptor?) -> SchemaLogTable {
    let isKnown = before != nil || change.from == .none
    return SchemaLogTable(
      tableID: change.tableID.rawValue, tableName: change.descriptor?.name ?? before?.name ?? "",
      fromVersion: change.from.rawValue, toVersion: change.descriptor == nil ? 0 : change.to.rawValue,
      commitFloor: change.commitFloor.rawValue,
      changes: isKnown
        ? TableDifferences.sentences(from: before, to: change.descriptor)
        : ["the entry before is no longer in the log, so what changed is not known"])
  }
}
