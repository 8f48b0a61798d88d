import Basics
import Catalog

/// One change of a namespace. All of them are metadata: one entry, nothing to wait for.
public enum NamespaceEdit: Hashable, Sendable {
  case create(NamespaceDescriptor)
  case rename(String)
  case setComment(String?)
  /// What is in it goes in the same entry, or has gone before.
  case remove

  /// From one state of a namespace to another, in one step.
  static func edits(from before: NamespaceDescriptor?, to after: NamespaceDescriptor?) -> [NamespaceEdit] {
    switch (before, after) {
    case (nil, nil): return []
    case (nil, var created?):
      created.version = DescriptorVersion(1)
      return [.create(created)]
    case (.some, nil): return [.remove]
    case (let before?, let after?):
      return (before.name == after.name ? [] : [.rename(after.name)])
        + (before.comment == after.comment ? [] : [.setComment(after.comment)])
    }
  }
}

/// What a stage does to one namespace, applied to the descriptor in force when its entry is made.
public struct PlannedNamespaceChange: Hashable, Sendable {
  public var id: NamespaceID
  public var edits: [NamespaceEdit]

  public init(_ id: NamespaceID, _ edits: [NamespaceEdit]) {
    self.id = id
    self.edits = edits
  }

  func change(in catalog: CatalogState) throws(PlanConflict) -> NamespaceChange {
    let before = catalog.namespace(id: id)
    var after = before
    for edit in edits {
      switch edit {
      case .create(let created):
        guard after == nil else { throw PlanConflict("namespace \(id) exists already") }
        after = created
      case .rename, .setComment, .remove:
        guard var changed = after else { throw PlanConflict("namespace \(id) is gone") }
        if case .rename(let name) = edit { changed.name = name }
        if case .setComment(let text) = edit { changed.comment = text }
        after = edit == .remove ? nil : changed
      }
    }
    let from = before?.version ?? .none
    after?.version = from.next
    return NamespaceChange(id: id, from: from, descriptor: after)
  }
}

/// One change of a database. As those of namespaces, all of them are metadata.
public enum DatabaseEdit: Hashable, Sendable {
  case create(DatabaseDescriptor)
  case rename(String)
  case setComment(String?)
  /// What is in it goes in the same entry.
  case remove

  /// From one state of a database that stays to another, in one step.
  static func edits(from before: DatabaseDescriptor, to after: DatabaseDescriptor) -> [DatabaseEdit] {
    (before.name == after.name ? [] : [.rename(after.name)])
      + (before.comment == after.comment ? [] : [.setComment(after.comment)])
  }
}

/// What a stage does to one database, applied to the descriptor in force when its entry is made.
public struct PlannedDatabaseChange: Hashable, Sendable {
  public var id: DatabaseID
  public var edits: [DatabaseEdit]

  public init(_ id: DatabaseID, _ edits: [DatabaseEdit]) {
    self.id = id
    self.edits = edits
  }

  func change(in catalog: CatalogState) throws(PlanConflict) -> DatabaseDescriptor {
    let before = catalog.database(id: id)
    var after = before
    for edit in edits {
      switch edit {
      case .create(let created):
        guard after == nil else { throw PlanConflict("database \(id) exists already") }
        after = created
      case .rename(let name): after?.name = name
      case .setComment(let text): after?.comment = text
      case .remove: after?.isDropped = true
      }
    }
    guard var database = after else { throw PlanConflict("database \(id) is gone") }
    database.version = (before?.version ?? .none).next
    return database
  }
}

extension PlanStage {
  /// Its entry, against the catalog in force.
  public func entry(
    in catalog: CatalogState, timestamp: Timestamp, databaseID: DatabaseID = .defaultDatabase
  ) throws(PlanConflict) -> SchemaEntry {
    var entry = SchemaEntry(
      index: catalog.schemaIndex.next, timestamp: timestamp, databaseID: databaseID, changes: [], newRanges: newRanges)
    for change in changes { entry.changes.append(try change.change(in: catalog)) }
    for change in namespaceChanges { entry.namespaceChanges.append(try change.change(in: catalog)) }
    for change in databaseChanges { entry.databaseChanges.append(try change.change(in: catalog)) }
    return entry
  }
}

extension CatalogState {
  /// Why a stage that was planned some entries ago cannot come next: a name that was free then is none any more. Nil: it can.
  public func conflict(with stage: PlanStage) -> SQLError? {
    var reached = self
    do {
      try reached.apply(stage)
      return nil
    } catch CatalogError.duplicateName(let name) {
      return SQLError(.duplicateTable, "relation \"\(name.name)\" already exists", tableName: name.name)
    } catch {
      return SQLError(
        .serializationFailure, "could not change the schema due to a concurrent schema change",
        hint: "Try the transaction again.")
    }
  }
}

// MARK: - Stored in jobs

extension PlannedNamespaceChange {
  func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    for edit in edits {
      switch edit {
      case .create(let namespace): writer.field(2) { $0.field(1) { namespace.encode(into: &$0) } }
      case .rename(let name): writer.field(2) { $0.field(2, name) }
      case .setComment(let text): writer.field(2) { if let text { $0.field(3, text) } else { $0.field(4, true) } }
      case .remove: writer.field(2) { $0.field(5, true) }
      }
    }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(.public, [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: id = try field.identifier()
      case 2:
        var nested = try field.reader()
        guard let part = try nested.nextField() else { throw reader.failure("empty edit of a namespace") }
        switch part.number {
        case 1: edits.append(.create(try NamespaceDescriptor(decoding: try part.slice())))
        case 2: edits.append(.rename(try part.string()))
        case 3: edits.append(.setComment(try part.string()))
        case 4: edits.append(.setComment(nil))
        case 5: edits.append(.remove)
        default: throw reader.failure("unknown kind of edit \(part.number)")
        }
      default: break
      }
    }
  }
}

extension PlannedDatabaseChange {
  func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    for edit in edits {
      switch edit {
      case .create(let database): writer.field(60) { $0.field(1) { database.encode(into: &$0) } }
      case .rename(let name): writer.field(60) { $0.field(2, name) }
      case .setComment(let text): writer.field(60) { if let text { $0.field(3, text) } else { $0.field(4, true) } }
      case .remove: writer.field(60) { $0.field(5, true) }
      }
    }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(.defaultDatabase, [])
    // Of a release that knew only comments.
    var comment: String?
    while let field = try reader.nextField() {
      switch field.number {
      case 1: id = try field.identifier()
      case 2: comment = try field.string()
      case 60:
        var nested = try field.reader()
        guard let part = try nested.nextField() else { throw reader.failure("empty edit of a database") }
        switch part.number {
        case 1: edits.append(.create(try DatabaseDescriptor(decoding: try part.slice())))
        case 2: edits.append(.rename(try part.string()))
        case 3: edits.append(.setComment(try part.string()))
        case 4: edits.append(.setComment(nil))
        case 5: edits.append(.remove)
        default: throw reader.failure("unknown kind of edit \(part.number)")
        }
      default: break
      }
    }
    if edits.isEmpty { edits = [.setComment(comment)] }
  }
}
